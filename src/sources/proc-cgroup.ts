/**
 * /proc/PID/cgroup. Version 1 and hybrid machines have a line per hierarchy; the memory line is the one that counts:
 *
 *     4:memory:/docker/63425c4a
 *     0::/
 *
 * Version 2 has one line, `0::/kubepods.slice/…`, with ` (deleted)` once the directory is removed. The path is relative to
 * the reader's cgroup namespace: `/../../x` lies outside of it. Source: kernel/cgroup/cgroup.c (proc_cgroup_show).
 */
export interface ProcCgroup {
  /** Below the memory hierarchy's root as the reader sees it. */
  readonly path: string;
  readonly version: 1 | 2;
  /** The hierarchy's number, as trace events call it. */
  readonly hierarchy: number;
  readonly deleted: boolean;
}

const DELETED = " (deleted)";

/** The memory cgroup; `null` when there is no such line or the path points out of the reader's namespace. */
export function parseProcCgroup(text: string): ProcCgroup | null {
  let unified: ProcCgroup | null = null;
  for (const line of text.split("\n").slice(0, 64)) {
    const match = /^(\d{1,6}):([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const [, number = "", controllers = "", path = ""] = match;
    const found = procCgroup(path, Number(number), controllers === "" ? 2 : 1);
    if (controllers.split(",").includes("memory")) return found;
    if (number === "0" && controllers === "") unified = found;
  }
  return unified;
}

function procCgroup(printed: string, hierarchy: number, version: 1 | 2): ProcCgroup | null {
  const deleted = printed.endsWith(DELETED);
  const path = deleted ? printed.slice(0, -DELETED.length) : printed;
  if (path === "/.." || path.startsWith("/../")) return null;
  return { path, version, hierarchy, deleted };
}
