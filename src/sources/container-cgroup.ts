import type { Files } from "../host/host.ts";
import { parseProcCgroup } from "./proc-cgroup.ts";

/**
 * The memory cgroup of a container by its main process, as the host sees it: the container's own, not one below it that
 * the process made (crun's `/container`, a systemd inside). `null` when it cannot be read.
 */
export function containerCgroup(
  files: Files,
  procRoot: string,
  pid: number,
  id: string,
): string | null {
  if (pid <= 0) return null;
  const text = files.tryReadText(`${procRoot}/${pid}/cgroup`);
  const path = text === null ? null : (parseProcCgroup(text)?.path ?? null);
  const start = path === null ? -1 : path.lastIndexOf(id);
  if (path === null || start < 0) return path;
  const end = path.indexOf("/", start);
  return end < 0 ? path : path.slice(0, end);
}
