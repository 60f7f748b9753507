/** Which words make a line worth reading, and how lines of the OOM killer begin; all linear in the length of the line. */

/**
 * Outside a report a line without any of these says nothing about memory running out. All begin with `o`, `O` or `i`: so the
 * engine looks at one letter in 10, and passes over 1 GB of other text in a second (`npm run bench -- explain`).
 */
export const INTERESTING =
  /o(?:om[-_d]|r killing due| the vict|f [Mm]emory|ry: usage|ry limit|up stats for|tal_vm|hang|urceName=")|OOM|i(?:ll(?:ed (?:proc|as a r|\/)|(?:ing)? (?:proc|'))|cted succ|ll -[A-Z0-9]|ng SIG(?:TERM|KILL) to|cted +pod\/|nux version)/;

/** Lines of a report, anchored at their start, the header excepted. */
const START =
  /^(?:Memory cgroup (?:out of memory|stats for)|Memory limit reached of cgroup|No available memory (?:in c|\(M)|Out of [Mm]emory(?::| and| in UB \d| \(oom_k)|Killed process \d|[Kk]ill process \d|oom-kill:|oom-killer: gfp|oom_reaper: |oom_kill_process: \d|Tasks? in \/|memory(?:\+swap)?: usage|kmem: usage|swap: usage|Mem-[Ii]nfo:|Tasks state \(|\[ *pid *\]|Kernel panic - not sync|sysrq: |SysRq : |CPU: \d+ |Pid: \d+, comm|Linux version \d)/;

const INVOKED = /^[^\n]{1,64}? invoked oom-killer:(?: gfp_mask=(?:0x|$)| *$)/;

/** A name of the kernel has at most 15 bytes, each perhaps escaped (`\x0a`). */
const HEADER =
  /^(?:\\x[0-9a-fA-F]{2}|[^\n]){0,15} invoked oom-killer:(?: gfp_mask=(?:3D)?(?:0x|$)| *$)/;

/** Whether a text, its prefix taken off, begins like a line of a report. */
export function beginsReportLine(text: string): boolean {
  return START.test(text) || HEADER.test(text);
}

/** The same with whatever stands before the name still on it. */
export function holdsHeader(text: string): boolean {
  return INVOKED.test(text);
}
