/**
 * What programs put before a line of the kernel, taken off layer by layer:
 *
 *     6,727,35945901675,-;text                          /dev/kmsg
 *     [ 5864.708440] text    [   49.921978][ T6736] text    <3>[ 12.345678] text    kern  :err   : [ 12.345678] text
 *     [Thu Dec  7 00:05:15 2017] text    [Dec12 16:07] text    2022-12-12T16:07:34,011396+01:00 text
 *     Jan  5 15:19:27 host kernel: [ 5864.708440] text    <4>1 2024-01-05T15:19:27Z host kernel - - - text
 *     Mon 2022-12-12 16:07:34 CET host kernel: text    1670861254.011396 host kernel: text    kernel: text
 *     2024-06-03T08:12:41.100000000Z stdout F text    name-1  | text    [pod/a/b] text
 *     > > text    12: text    /var/log/kern.log:12:text    b'text    - text
 *
 * A line that names another program than the kernel is that program's, whatever it says.
 */
import { parseKmsgLine } from "./kmsg-record.ts";
import { beginsReportLine } from "./report-known.ts";
import { type LogClock, NO_CLOCK, parseUnixTime, parseWallTime } from "./report-stamp.ts";

export interface PrefixedText {
  /** Without leading blanks. */
  readonly text: string;
  /** µs since 1970; `null` when the prefix has no time, or one without a year and no clock is known. */
  readonly wallMicroseconds: number | null;
  /** Seconds since boot. */
  readonly uptimeSeconds: number | null;
  /** `user`: another program wrote it. `null`: nobody is named. */
  readonly origin: "kernel" | "user" | null;
  /** The machine that wrote it, when the prefix names one. */
  readonly host: string | null;
  /** A time or the kernel's name stood before it: it begins a line of the log. */
  readonly prefixed: boolean;
  /** The kernel says that it continues a line (flag `c`). */
  readonly piece: boolean;
  /** What stood before it is of no known form. */
  readonly dug: boolean;
  /** What stood before it is the beginning of a sentence. */
  readonly quoted: boolean;
}

interface State {
  readonly clock: LogClock;
  rest: string;
  wall: number | null;
  uptime: number | null;
  origin: "kernel" | "user" | null;
  host: string | null;
  prefixed: boolean;
  timed: boolean;
  piece: boolean;
  dug: boolean;
  quoted: boolean;
  done: boolean;
}

const MAX_LAYERS = 16;
/** Prefixes are looked for within the first characters of a line. */
const MAX_PREFIX_CHARACTERS = 400;

export function readPrefix(line: string, clock: LogClock = NO_CLOCK): PrefixedText {
  const state: State = {
    clock,
    rest: line,
    wall: null,
    uptime: null,
    origin: null,
    host: null,
    prefixed: false,
    timed: false,
    piece: false,
    dug: false,
    quoted: false,
    done: false,
  };
  for (let layer = 0; layer < MAX_LAYERS && !state.done; layer++) {
    if (!peel(state)) break;
  }
  if (!state.done && state.origin !== "user" && !beginsReportLine(state.rest)) dig(state);
  else if (!state.prefixed) numbered(state);
  return {
    text: state.rest.trimStart(),
    wallMicroseconds: state.wall,
    uptimeSeconds: state.uptime,
    origin: state.origin,
    host: state.host,
    prefixed: state.prefixed,
    piece: state.piece,
    dug: state.dug,
    quoted: state.quoted && !state.prefixed,
  };
}

/** Takes one layer off; false when there is none. */
function peel(state: State): boolean {
  const first = state.rest.charCodeAt(0);
  if (first === 0x20 || first === 0x09 || first === 0xfeff || first === 0xa0) {
    state.rest = state.rest.trimStart().replace(/^\ufeff/, "");
    return true;
  }
  return (
    (isDigit(first) &&
      (kmsg(state) || isoTime(state) || unixTime(state) || logcat(state) || cutStamp(state))) ||
    (first === 0x5b && bracket(state)) ||
    (first === 0x3c && priority(state)) ||
    (first === 0x3e && take(state, /^(?:> ?)+/) !== null) ||
    (first === 0x7b && labels(state)) ||
    letterTime(state) ||
    stream(state) ||
    kernelTag(state) ||
    (!beginsReportLine(state.rest) && (otherTag(state) || weak(state)))
  );
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** What the form matched, taken off; `null` when it does not match. */
function take(state: State, form: RegExp): RegExpExecArray | null {
  const match = form.exec(state.rest.slice(0, MAX_PREFIX_CHARACTERS));
  if (match === null) return null;
  state.rest = state.rest.slice(match[0].length);
  return match;
}

function kmsg(state: State): boolean {
  if (!/^\d{1,5},\d{1,20},\d{1,20},[-c+]/.test(state.rest.slice(0, 60))) return false;
  const record = parseKmsgLine(state.rest);
  if (record === null) return false;
  state.rest = record.text;
  state.uptime = record.timestampMicroseconds / 1e6;
  state.origin = record.facility === 0 ? "kernel" : "user";
  state.prefixed = true;
  state.piece = /[c+]/.test(record.flags);
  state.done = true;
  return true;
}

const ISO =
  /^\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)? ?(?:Z|[+-]\d\d:?\d\d)?(?: [A-Z]{3,4}(?= ))?[ \t,:]*/;

function isoTime(state: State): boolean {
  return timed(state, take(state, ISO));
}

function timed(state: State, match: RegExpExecArray | null): boolean {
  if (match === null) return false;
  state.wall ??= parseWallTime(match[0], state.clock);
  state.timed = true;
  state.prefixed = true;
  return true;
}

function unixTime(state: State): boolean {
  const match = take(state, /^(\d{10}(?:\.\d{3,9})?)[ \t:]+/);
  if (match === null) return false;
  state.wall ??= parseUnixTime(match[1] ?? "");
  state.timed = true;
  state.prefixed = true;
  return true;
}

function logcat(state: State): boolean {
  const match = take(state, LOGCAT);
  if (match === null) return false;
  state.origin = match[1] === "kernel" ? "kernel" : "user";
  state.prefixed = true;
  return true;
}

const UPTIME =
  /^\[ *(\d{1,10}\.\d{3,9})(?:,\d)?(?: *<[^>\]]{0,24}>)?\](?: ?\[ *[TC]\d{1,9}\])?(?: |$|(?=[^\s[]))/;
/** Who copies a line with the mouse may miss its `[`. */
function cutStamp(state: State): boolean {
  const match = take(state, /^(\d{1,10}\.\d{6})\] (?=\S)/);
  if (match === null) return false;
  state.uptime = Number(match[1]);
  state.prefixed = true;
  return true;
}

const DELTA = /^\[ *\+\d{1,7}\.\d{6}\] ?/;
const DATE = /^\[[^[\]]{0,32}\d\d:\d\d(?::\d\d)?[^[\]]{0,24}\] ?/;
const ISO_IN_BRACKETS = /^\[\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^[\]]{0,16}\]:? ?/;
const POD = /^\[(?:pod|container)\/[^\]]{1,300}\] /;

function bracket(state: State): boolean {
  const uptime = take(state, UPTIME);
  if (uptime !== null) {
    state.uptime = Number(uptime[1]);
    state.prefixed = true;
    if (state.origin !== "user") state.origin = "kernel";
    return true;
  }
  const date = take(state, ISO_IN_BRACKETS) ?? take(state, DATE);
  if (date !== null) {
    state.wall ??= parseWallTime(date[0].slice(1), state.clock);
    state.prefixed = true;
    return true;
  }
  const delta = take(state, DELTA);
  if (delta !== null) state.prefixed = true;
  return delta !== null || take(state, POD) !== null;
}

/** `<4>`: facility · 8 + level, as dmesg -r and syslog write it. */
function priority(state: State): boolean {
  const match = take(state, /^<(\d{1,3})>(?:1 (?=\d{4}-))?/);
  if (match === null) return false;
  if (Number(match[1]) >= 8) state.origin = "user";
  state.prefixed = true;
  return true;
}

/** Also in the words of other languages: `jun 20`, `déc. 12`, `11月 20`. */
const SYSLOG_TIME =
  /^(?:\p{L}{2,6}\.?|\d{1,2}\p{L}) +\d{1,2}(?:,? \d{4},?)? \d\d:\d\d:\d\d(?:\.\d{1,9})?(?: \d{4})?(?: [A-Z]{3,4}(?= ))?:? +/u;
const FULL_TIME =
  /^[A-Z][a-z]{2},? (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) (?:[A-Z]{2,5}|[+-]\d\d(?:\d\d)?) /;
const DATE_TIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d(?: [A-Z]{3,4})? \d{4}:? +/;
/** dmesg -x, and talosctl dmesg: `kern: warning: [2026-11-20T23:10:05.123456789Z]: text`. */
const FACILITY =
  /^(kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d) *: *(?:emerg|alert|crit|err|error|warn|warning|notice|info|debug) *: ?/;
/** Android: month, day, time, pid, tid, level, tag. */
const LOGCAT = /^\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +\d{1,8} +\d{1,8} [VDIWEF] (kernel|\S{1,64}) *: /;

function letterTime(state: State): boolean {
  const full = take(state, FULL_TIME);
  if (full !== null) {
    state.wall ??= parseWallTime(full[0].slice(full[0].indexOf(" ") + 1), state.clock);
    state.timed = true;
    state.prefixed = true;
    return true;
  }
  if (timed(state, take(state, SYSLOG_TIME) ?? take(state, DATE_TIME))) return true;
  const facility = take(state, FACILITY);
  if (facility === null) return false;
  state.origin = facility[1] === "kern" ? "kernel" : "user";
  state.prefixed = true;
  return true;
}

/** Loki's, after its time: `{host="worker-3", job="journal"} text`. */
function labels(state: State): boolean {
  if (!state.timed) return false;
  const form = /^\{(?:[\w.-]{1,64}="[^"\n]{0,200}",? ?){1,20}\} ?/;
  if (take(state, form) === null) return false;
  state.timed = false;
  return true;
}

/** Kubernetes' record of a container: `stdout F text`. */
function stream(state: State): boolean {
  if (!state.timed) return false;
  if (take(state, /^(?:stdout|stderr) [FP] /) === null) return false;
  // The text inside is a line of its own.
  state.timed = false;
  return true;
}

const KERNEL_TAG =
  /^(?:([\w.@-]{1,253})(?::\d{1,5})? +)?(?:kern\.[a-z]{3,7} +)?(?:kernel|kern|klogd|kmsg|dmesg)(?:\[\d{1,10}\])?:(?: |$|(?=\S))/;
const KERNEL_FIELDS = /^(\S{1,255}) kernel \S{1,128} \S{1,32} (?:-|\[[^\]]{0,200}\]) ?/;

function kernelTag(state: State): boolean {
  if (state.origin === "user") return false;
  const match = take(state, KERNEL_TAG) ?? (state.timed ? take(state, KERNEL_FIELDS) : null);
  if (match === null) return false;
  state.origin = "kernel";
  // OpenWrt's logread names the facility where others name the machine.
  if (match[1] !== undefined && !/^kern\.[a-z]{3,7}$/.test(match[1])) state.host ??= match[1];
  state.prefixed = true;
  state.timed = false;
  return true;
}

const OTHER_TAG = /^(?:\S{1,255} +)?[^\s:[\]]{1,64}(?:\[\d{1,10}\])?: /;
const TAG_OF_JSON = /^[^\s:{]{1,200}: (?=\{")/;
const OTHER_FIELDS = /^\S{1,255} \S{1,48} (?:-|\d{1,10}) \S{1,32} (?:-|\[[^\]]{0,200}\]) /;

/** After a time of syslog: `host sshd[12]: …`. Its text is kept: some programs tell of kills of their own. */
function otherTag(state: State): boolean {
  if (!state.timed || state.origin === "kernel") return false;
  // Fluentd's: what is inside names its program itself.
  if (take(state, TAG_OF_JSON) !== null) return true;
  if (!OTHER_TAG.test(state.rest.slice(0, MAX_PREFIX_CHARACTERS))) {
    if (take(state, OTHER_FIELDS) === null) return false;
  }
  state.origin = "user";
  state.done = true;
  return true;
}

/** What people and tools put before a line; taken off only where a line of a log follows. */
const WEAK: readonly RegExp[] = [
  /^\d{1,8}(?:[:.|)\t│-] *| +)/,
  /^(?!memory: )(?:[\w.@+~-]{0,100}\/)*[\w.@+~-]{1,100}[:-](?:\d{1,9}[:-])?/,
  /^[\w.-]{1,100} +[|│] ?/,
  /^(?!\S{1,45} invoked )[\w.-]{1,253} [\w.-]{1,253} +/,
  /^(?:[-*+•|│$%;] ?|#+ (?!Kernel panic)|\/\/ ?|b?['"`]+|\d{1,3}\. |L\d{1,6}:? )/,
  /^<\/?(?:pre|code|p|span|div|td|li|blockquote)\b[^>]{0,100}>/i,
];
const LOG_LINE =
  /^\s*(?:\[ *\d{1,10}\.\d{3,9}\]|\[[^[\]]{0,32}\d\d:\d\d(?::\d\d)?[^[\]]{0,24}\]|<\d{1,3}>|\d{1,5},\d+,\d+,[-c+]|\d{4}-\d\d-\d\d[T ]\d\d:|(?:\p{L}{2,6}\.?|\d{1,2}\p{L}) +\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d|[A-Z][a-z]{2} \d{4}-\d\d-\d\d |kern *: *[a-z]{3,7} *: |(?:\S{1,253} )?kernel: ?\S)/u;

function weak(state: State): boolean {
  for (const form of WEAK) {
    const match = form.exec(state.rest.slice(0, MAX_PREFIX_CHARACTERS));
    if (match === null) continue;
    const rest = state.rest.slice(match[0].length);
    if (!LOG_LINE.test(rest.slice(0, MAX_PREFIX_CHARACTERS)) && !beginsReportLine(rest.trimStart()))
      continue;
    state.rest = rest;
    state.dug = true;
    return true;
  }
  return false;
}

/** Numbers that people and tools put before bare lines; the kernel's own names seldom begin so. */
function numbered(state: State): void {
  const match = /^(?:\d{1,7}(?:\t+ *|[:.)|] ?| {1,8})|[-*•│|>#] )(?=\S)/.exec(state.rest);
  if (match === null) return;
  const rest = state.rest.slice(match[0].length);
  if (!beginsReportLine(rest)) return;
  state.rest = rest;
  state.dug = true;
}

const STAMP_INSIDE = /\[ *\d{1,10}\.\d{3,9}\](?: ?\[ *[TC]\d{1,9}\])? /;
const NAME_ONLY = /^[^\n]{1,15} invoked$/;
/** Forms that no name of 15 bytes can hold. */
const STRONG =
  /(?<!emory:)[\s\]:;|>,](?=(?:Memory cgroup out of memory|Out of [Mm]emory)(?: \(oom_kill_allocating_task\))?: Kill(?:ed)? process \d{1,10}(?:, UID \d+,)? \(|Killed process \d{1,10}(?:, UID \d+,)? \([^\n]{0,64}?\)(?:, UID \d+,)? total-vm:\d|oom-kill:constraint=CONSTRAINT_[A-Z])/;
const STRONG_HEADER = /(?:^|\s)(\S{1,15} invoked oom-killer: gfp_mask=0x)/;
/** Three words of a language one after the other: no program writes them before a line of the kernel. */
const SENTENCE = /(?:^|\s)(?:\p{L}[\p{L}'’-]*,? ){3}$/u;
const MAIL = /^(?:Subject|Re|Fwd?|AW|Betreff): /i;

/** A line of the kernel behind something else: output of a program on the console, a prefix we do not know. */
function dig(state: State): void {
  const { rest } = state;
  // An object is read as one first.
  if (rest.startsWith("{")) return;
  const head = rest.slice(0, MAX_PREFIX_CHARACTERS);
  const stamp = STAMP_INSIDE.exec(head);
  if (stamp !== null) {
    const inner = rest.slice(stamp.index + stamp[0].length);
    if (beginsReportLine(inner) || NAME_ONLY.test(inner.trimEnd())) {
      state.uptime = Number(/\d{1,10}\.\d{3,9}/.exec(stamp[0])?.[0]);
      state.prefixed = true;
      state.rest = inner;
      state.dug = true;
      return;
    }
  }
  if (MAIL.test(head)) return;
  const strong = STRONG.exec(head);
  const header = strong === null ? STRONG_HEADER.exec(head) : null;
  if (strong !== null) state.rest = rest.slice(strong.index + 1);
  else if (header !== null) {
    const at = header.index + header[0].length - (header[1]?.length ?? 0);
    state.quoted = SENTENCE.test(rest.slice(0, at));
    state.rest = rest.slice(at);
  }
  state.dug = strong !== null || (header !== null && !state.quoted);
}
