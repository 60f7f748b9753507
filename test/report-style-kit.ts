/**
 * The many ways in which a kernel's log reaches a reader, written without the parser's code: what each program prints was
 * taken from its documentation or source. A style keeps every line; what it does not keep (times, levels) is nobody's evidence.
 */
export interface KernelLine {
  /** facility · 8 + level. */
  readonly priority: number;
  readonly microseconds: number;
  /** Unescaped, perhaps of several lines. */
  readonly text: string;
}

export interface Style {
  readonly name: string;
  /** The lines as one text. */
  write(lines: readonly KernelLine[]): string;
}

/** 2026-11-20T23:10:05.123456Z less 100 s: when the machine of these logs was booted. */
const BOOT_MICROSECONDS = Date.UTC(2026, 10, 20, 23, 8, 25) * 1000;
const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
const DAYS = "SunMonTueWedThuFriSat";
export const LEVELS = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

export interface Moment {
  /** `[  100.123456]`. */
  readonly stamp: string;
  readonly seconds: string;
  /** `2026-11-20T23:10:05`. */
  readonly iso: string;
  /** `123456`. */
  readonly fraction: string;
  /** `Nov 20 23:10:05`. */
  readonly syslog: string;
  readonly weekday: string;
  readonly year: number;
  readonly unixMicroseconds: number;
}

export function momentOf({ microseconds }: KernelLine): Moment {
  const seconds = (microseconds / 1e6).toFixed(6);
  const unixMicroseconds = BOOT_MICROSECONDS + microseconds;
  const date = new Date(Math.floor(unixMicroseconds / 1000));
  const iso = date.toISOString().slice(0, 19);
  const month = MONTHS.slice(date.getUTCMonth() * 3, date.getUTCMonth() * 3 + 3);
  const day = String(date.getUTCDate()).padStart(2);
  return {
    stamp: `[${seconds.padStart(12)}]`,
    seconds,
    iso,
    fraction: String(unixMicroseconds % 1_000_000).padStart(6, "0"),
    syslog: `${month} ${day} ${iso.slice(11)}`,
    weekday: DAYS.slice(date.getUTCDay() * 3, date.getUTCDay() * 3 + 3),
    year: date.getUTCFullYear(),
    unixMicroseconds,
  };
}

type WriteLine = (text: string, moment: Moment, line: KernelLine, index: number) => string;

/** A style that prints every line of a record behind a prefix of its own. */
export function each(name: string, write: WriteLine): Style {
  return {
    name,
    write: (lines) =>
      lines
        .flatMap((line) => line.text.split("\n").map((text) => ({ ...line, text })))
        .map((line, index) => `${write(line.text, momentOf(line), line, index)}\n`)
        .join(""),
  };
}

/** A style that knows records: what is inside one stays inside. */
export function records(name: string, write: WriteLine): Style {
  return {
    name,
    write: (lines) =>
      lines.map((line, index) => `${write(line.text, momentOf(line), line, index)}\n`).join(""),
  };
}

export function over(name: string, inner: Style, change: (text: string) => string): Style {
  return { name, write: (lines) => change(inner.write(lines)) };
}

export function mapLines(
  change: (line: string, index: number) => string,
): (text: string) => string {
  return (text) =>
    text
      .replace(/\n$/, "")
      .split("\n")
      .map((line, index) => `${change(line, index)}\n`)
      .join("");
}

export const DMESG = each("dmesg", (text, { stamp }) => `${stamp} ${text}`);
export const BARE = each("journalctl -o cat", (text) => text);
export const SYSLOG = each(
  "syslog",
  (text, { syslog, stamp }) => `${syslog} worker-3 kernel: ${stamp} ${text}`,
);

/** Lines of a recorded /dev/kmsg: what else a record holds (` SUBSYSTEM=…`) is left out. */
export function kernelLines(kmsg: string): KernelLine[] {
  return kmsg.split("\n").flatMap((line) => {
    const parts = /^(\d+),\d+,(\d+),([^,;]*)[^;]*;(.*)$/.exec(line);
    if (parts === null || Number(parts[1]) >= 8) return [];
    const text = (parts[4] ?? "").replace(/\\x([0-9a-f]{2})/g, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    return [{ priority: Number(parts[1]), microseconds: Number(parts[2]), text }];
  });
}

/** How a text is broken into narrower lines on its way; nothing of it is lost but blanks at the edge. */
export const WRAPS: readonly { readonly name: string; wrap(text: string): string }[] = [
  { name: "a terminal of 80 columns", wrap: (text) => eachLine(text, (line) => cutLine(line, 80)) },
  {
    name: "a terminal of 132 columns",
    wrap: (text) => eachLine(text, (line) => cutLine(line, 132)),
  },
  { name: "a mail program", wrap: (text) => eachLine(text, (line) => foldLine(line, 72)) },
  {
    name: "a mail program, quoted",
    wrap: (text) => eachLine(text, (line) => foldLine(line, 72).map((part) => `> ${part}`)),
  },
  { name: "quoted-printable", wrap: (text) => eachLine(text, encodeLine) },
];

function eachLine(text: string, change: (line: string) => readonly string[]): string {
  return text.split("\n").flatMap(change).join("\n");
}

function cutLine(line: string, width: number): string[] {
  const parts: string[] = [];
  for (let at = 0; at < Math.max(1, line.length); at += width)
    parts.push(line.slice(at, at + width));
  return parts;
}

function foldLine(line: string, width: number): string[] {
  const parts = [""];
  for (const word of line.split(/(?<= )/)) {
    const last = parts.at(-1) ?? "";
    if (last !== "" && (last + word).trimEnd().length > width) parts.push(word);
    else parts[parts.length - 1] = last + word;
  }
  return parts.map((part) => part.trimEnd());
}

function encodeLine(line: string): string[] {
  const parts: string[] = [];
  let rest = line.replaceAll("=", "=3D");
  while (rest.length > 76) {
    // Never within the three characters of one that is encoded.
    const at = rest.slice(73, 75).indexOf("=");
    const width = at < 0 ? 75 : 73 + at;
    parts.push(`${rest.slice(0, width)}=`);
    rest = rest.slice(width);
  }
  return [...parts, rest];
}
