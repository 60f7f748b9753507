/**
 * What /proc still says about a process that is being killed: between 1 and 25 ms after the kill it is gone.
 *
 *     Name:	hog
 *     Tgid:	4510
 *     VmSize:	   17896 kB
 */
import type { Files } from "../host/host.ts";
import { type ProcCgroup, parseProcCgroup } from "./proc-cgroup.ts";

export interface ProcStatus {
  /** As the kernel knows it: escapes undone. */
  readonly name: string;
  /** `null` once it has been reaped: a status opened before shows 0 then. */
  readonly tgid: number | null;
  /** `null` once the memory is given back. */
  readonly vmSizeBytes: number | null;
}

/** task_struct.flags: the task is on its way out (include/linux/sched.h). */
const PF_EXITING = 4;

export function readProcStatus(files: Files, procRoot: string, tid: number): ProcStatus | null {
  const text = files.tryReadText(`${procRoot}/${tid}/status`);
  return text === null ? null : parseProcStatus(text);
}

export function parseProcStatus(text: string): ProcStatus | null {
  const name = /^Name:\t(.*)$/m.exec(text)?.[1];
  const tgid = /^Tgid:\t(\d{1,10})$/m.exec(text)?.[1];
  if (name === undefined || tgid === undefined) return null;
  const size = /^VmSize:\s+(\d{1,15}) kB$/m.exec(text)?.[1];
  return {
    name: name.replace(/\\(n|\\)/g, (_, letter: string) => (letter === "n" ? "\n" : "\\")),
    tgid: Number(tgid) || null,
    vmSizeBytes: size === undefined ? null : Number(size) * 1024,
  };
}

/**
 * The memory cgroup of a process; `null` when it is not known for sure. On version 1 every exiting task shows `/`
 * (proc_cgroup_show), so `/` is believed only of a task that was not exiting a moment later.
 */
export function readProcCgroup(files: Files, procRoot: string, tid: number): ProcCgroup | null {
  const text = files.tryReadText(`${procRoot}/${tid}/cgroup`);
  const found = text === null ? null : parseProcCgroup(text);
  if (found === null || found.version === 2 || found.path !== "/") return found;
  return isExiting(files, procRoot, tid) ? null : found;
}

function isExiting(files: Files, procRoot: string, tid: number): boolean {
  const text = files.tryReadText(`${procRoot}/${tid}/stat`);
  if (text === null) return true;
  // `4510 (name, any bytes) S 1 4510 4510 0 -1 4194560 …`: flags are the 7th field after the name.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const flags = Number(fields[6] ?? Number.NaN);
  return !Number.isSafeInteger(flags) || (flags & PF_EXITING) !== 0;
}
