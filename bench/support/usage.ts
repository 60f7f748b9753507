import { readdirSync, readFileSync } from "node:fs";

export interface Memory {
  readonly residentMegabytes: number;
  /** RssAnon: what is this process's own and cannot be dropped. */
  readonly anonymousMegabytes: number;
}

/**
 * Resident and anonymous memory of one process, 10^6 bytes.
 *
 *     VmRSS:	   54272 kB
 *     RssAnon:	   13824 kB
 */
export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const megabytes = (name: string) => {
    const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    return (Number(kibibytes ?? Number.NaN) * 1024) / 1e6;
  };
  return { residentMegabytes: megabytes("VmRSS"), anonymousMegabytes: megabytes("RssAnon") };
}

/** The process and its children (`cat` on a trace pipe, and so on). */
export function familyOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return [pid, ...text.split(" ").filter(Boolean).map(Number)];
  } catch {
    return [pid];
  }
}

/**
 * CPU time of a process and its living children so far, ms. /proc/PID/task/TID/schedstat counts nanoseconds, where
 * utime and stime in /proc/PID/stat count ticks of 10 ms.
 *
 *     6439925 2442235 15
 */
export function cpuMillisecondsOf(pid: number): number {
  return familyOf(pid).reduce((sum, member) => sum + ownCpuMilliseconds(member), 0);
}

function ownCpuMilliseconds(pid: number): number {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    return tasks.reduce((sum, task) => {
      const text = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8");
      return sum + Number(text.split(" ")[0]) / 1e6;
    }, 0);
  } catch {
    return 0;
  }
}

/** Share of the machine's CPU time that others used since an earlier reading is what makes figures noisy. */
export function busyTicks(): { readonly busy: number; readonly all: number } {
  const [, ...fields] = (readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "").split(/\s+/);
  const ticks = fields.map(Number);
  const all = ticks.slice(0, 8).reduce((sum, value) => sum + value, 0);
  return { busy: all - (ticks[3] ?? 0) - (ticks[4] ?? 0), all };
}
