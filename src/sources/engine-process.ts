import type { Host } from "../host/host.ts";
import type { DockerInspect } from "../parse/docker-container.ts";
import { parseProcCgroup } from "./proc-cgroup.ts";

/**
 * What /proc says of the main process that a daemon told:
 *
 *     $ cat /proc/1778/cgroup              $ grep NSpid /proc/1778/status
 *     4:memory:/docker/4c26…               NSpid:	1778	1
 *
 * `there` is the answer, without the process when it is none of this machine: a daemon in a virtual machine tells the pids
 * of its own. Of a user's daemon (`isUsers`) nothing is guessed: what its process is in tells whether it is believed. `cgroupPath` is the container's, not one below it that its main process made (crun, systemd inside).
 */
export function lookAt(
  host: Host,
  procRoot: string,
  inspect: DockerInspect,
  isUsers: boolean,
): { readonly there: DockerInspect; readonly cgroupPath: string | null } {
  const { mainPid, id } = inspect;
  if (mainPid === null) return { there: inspect, cgroupPath: null };
  const text = host.files.tryReadText(`${procRoot}/${mainPid}/cgroup`);
  // It may have ended since.
  if (text === null) return { there: inspect, cgroupPath: null };
  const whole = parseProcCgroup(text)?.path ?? null;
  const cgroupPath = pathOf(whole, id);
  if (isUsers) return { there: inspect, cgroupPath: cgroupPath ?? whole };
  const isOurs = cgroupPath !== null || isFirstOfNamespace(host, procRoot, mainPid);
  return { there: isOurs ? inspect : { ...inspect, mainPid: null }, cgroupPath };
}

/** Without the id it is the cgroup of another process, or one that the container shares with others. */
function pathOf(path: string | null, id: string): string | null {
  const start = path === null ? -1 : path.lastIndexOf(id);
  if (path === null || start < 0) return null;
  const end = path.indexOf("/", start);
  return end < 0 ? path : path.slice(0, end);
}

function isFirstOfNamespace(host: Host, procRoot: string, pid: number): boolean {
  const status = host.files.tryReadText(`${procRoot}/${pid}/status`);
  // It ended just now; one that ends is in no cgroup already.
  if (status === null || /^State:\t[XZ]/m.test(status)) return true;
  return /^NSpid:\t\d+(?:\t\d+)*\t1$/m.test(status);
}
