import { parseOomControl } from "../parse/oom-control.ts";
import type { CgroupReader } from "./cgroup-reader.ts";

/** memory.oom_control: local counts, no notification worth having (facts 3.2), gone with the cgroup. */
export const V1_READER: CgroupReader = {
  version: 1,
  extent: "local",
  countsFile: "memory.oom_control",
  localFile: null,
  limitFile: "memory.limit_in_bytes",
  parse(text) {
    const oomKill = parseOomControl(text)?.oomKill ?? null;
    return oomKill === null ? null : { oomKill, oomGroupKill: null };
  },
};
