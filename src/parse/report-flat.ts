/**
 * A paste that lost its newlines, to its records. A new one begins at the prefix of a syslog line, and at the stamp of
 * dmesg where it stands directly behind text:
 *
 *     Jul 19 05:19:24 asl131 kernel: Out of Memory: Killed process 2368 (jserver). Jul 19 05:19:24 asl131 kernel: OOM kill
 *     [193038.106468] Task in /docker/0f2b killed as a result of limit of /docker/0f2b[193038.106478] memory: usage 524288kB
 */
import { parseGroup, parseSummary, parseTaskIn } from "./kernel-log-summary.ts";
import { INTERESTING } from "./report-known.ts";

/** What follows a stamp is longer than what a name of 15 bytes leaves behind one: no name of a process is cut. */
const JOINT =
  /(?<=[^\s>|]) (?=[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,255} kernel: )|(?<=[\w).])(?=\[ {0,4}\d{1,10}\.\d{6}\] [^\n)]{5})/g;
/** Records of the kernel come whole. */
const KMSG = /^\d{1,5},\d{1,20},\d{1,20},/;

/** The text itself when it is one record. */
export function splitRecords(text: string): readonly string[] {
  if (KMSG.test(text)) return [text];
  const joints = [...text.matchAll(JOINT)].map((match) => match.index);
  if (joints.length === 0 || isWhole(text)) return [text];
  const [first, ...others] = outsideNames(text, joints);
  // A number, or what else people put before a line, is no record.
  if (first === undefined) return [text];
  const starts = [0, ...(INTERESTING.test(text.slice(0, first)) ? [first] : []), ...others];
  return starts.map((start, index) => text.slice(start, starts[index + 1]).trim());
}

/** How lines begin that name cgroups, and what stands behind the name: a cgroup may be called like a line of the log. */
const NAMING: Readonly<Record<string, string>> = {
  "Memory cgroup stats for /": ":",
  " cpuset=": " mems_allowed=",
  "Task in /": " killed as a result of limit of /",
  "Tasks in /": " are going to be killed",
  "oom-kill:constraint=": ",pid=",
};
const BEGINNING = /Memory cgroup stats for \/| cpuset=|Tasks? in \/|oom-kill:constraint=/g;

function outsideNames(text: string, joints: readonly number[]): readonly number[] {
  let from = 0;
  let end: string | null = null;
  return joints.filter((at) => {
    let piece = text.slice(from, at);
    from = at;
    if (end !== null) {
      const closed = piece.indexOf(end);
      if (closed < 0) return false;
      piece = piece.slice(closed);
    }
    const last = [...piece.matchAll(BEGINNING)].at(-1);
    const needed = last === undefined ? undefined : NAMING[last[0]];
    const open = last !== undefined && needed !== undefined && !piece.includes(needed, last.index);
    end = open ? needed : null;
    return !open;
  });
}

/** What reads as one line of the kernel's is one. */
function isWhole(text: string): boolean {
  const at = text.search(/Tasks? in \/|oom-kill:constraint=/);
  if (at < 0) return false;
  const line = text.slice(at);
  const taskIn = parseTaskIn(line);
  if (taskIn !== null) return `${taskIn.victimCgroup}/`.startsWith(`${taskIn.limitCgroup}/`);
  return parseGroup(line) !== null || (parseSummary(line)?.pid ?? null) !== null;
}
