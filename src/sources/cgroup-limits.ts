import type { Host } from "../host/host.ts";
import { parseMemoryLimit } from "../parse/memory-limit.ts";

export interface CgroupLimit {
  readonly path: string;
  readonly limitBytes: number;
}

const LIMIT_FILES = ["memory.max", "memory.limit_in_bytes"];

/**
 * Finite limits of a cgroup and its ancestors, innermost first: any of them can be the one that was hit.
 * `root` is the directory of the hierarchy's root; `path` is below it, `/a/b`. `limitFiles` are tried in turn; without
 * it both versions' names. ~20 µs a level.
 */
export function readLimitChain(
  host: Host,
  root: string,
  path: string,
  limitFiles: readonly string[] = LIMIT_FILES,
): CgroupLimit[] {
  const chain: CgroupLimit[] = [];
  for (
    let current = path;
    current.length > 1;
    current = current.slice(0, current.lastIndexOf("/"))
  ) {
    const limitBytes = readLimit(host, root + current, limitFiles);
    if (limitBytes !== null) chain.push({ path: current, limitBytes });
  }
  return chain;
}

/** The limit of the cgroup in `directory` in bytes; `null` when unlimited or unreadable. */
export function readLimit(
  host: Host,
  directory: string,
  limitFiles: readonly string[] = LIMIT_FILES,
): number | null {
  for (const file of limitFiles) {
    const text = host.files.tryReadText(`${directory}/${file}`);
    if (text !== null) return parseMemoryLimit(text);
  }
  return null;
}
