import type { KillCounts } from "../parse/memory-events.ts";

/** In which files one version of the memory controller keeps a cgroup's book. */
export interface CgroupReader {
  readonly version: 1 | 2;
  /** What `countsFile` counts. */
  readonly extent: "local" | "subtree";
  readonly countsFile: string;
  /** A second book of the cgroup itself, beside one of its subtree. */
  readonly localFile: string | null;
  readonly limitFile: string;
  /** `null` when the text holds no count. */
  parse(text: string): KillCounts | null;
}
