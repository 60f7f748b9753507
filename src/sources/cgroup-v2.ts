import { parseMemoryEvents } from "../parse/memory-events.ts";
import type { CgroupReader } from "./cgroup-reader.ts";

/**
 * memory.events counts descendants too, living or gone, so a parent knows what its removed children can no longer tell.
 * Before 5.2 and on mounts with `memory_localevents` it counts the cgroup alone, as memory.events.local always does.
 */
export function v2Reader(hierarchicalEvents: boolean): CgroupReader {
  return {
    version: 2,
    extent: hierarchicalEvents ? "subtree" : "local",
    countsFile: "memory.events",
    localFile: hierarchicalEvents ? "memory.events.local" : null,
    limitFile: "memory.max",
    parse: parseMemoryEvents,
  };
}
