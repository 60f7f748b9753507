/** Programs that print a kernel's log, each in its own form. */
import {
  BARE,
  DMESG,
  each,
  type KernelLine,
  LEVELS,
  type Moment,
  momentOf,
  records,
  type Style,
  SYSLOG,
} from "./report-style-kit.ts";

const DMESG_STYLES: readonly Style[] = [
  DMESG,
  BARE,
  each("dmesg -T", (text, { weekday, syslog, year }) => `[${weekday} ${syslog} ${year}] ${text}`),
  each("dmesg -x", (text, { stamp }, line) => `kern  :${level(line).padEnd(6)}: ${stamp} ${text}`),
  each("dmesg -r", (text, { stamp }, { priority }) => `<${priority}>${stamp} ${text}`),
  each("dmesg --time-format iso", (text, { iso, fraction }) => `${iso},${fraction}+00:00 ${text}`),
  each("dmesg -e", (text, { syslog }, _line, index) =>
    index % 9 === 0
      ? `[${syslog.slice(0, 3)}${syslog.slice(4, 6).trim().padStart(2, "0")} ${syslog.slice(7, 12)}] ${text}`
      : `[  +0.000012] ${text}`,
  ),
  each("dmesg -d", (text, { stamp }) => `${stamp.slice(0, -1)} <    0.000012>] ${text}`),
  each(
    "dmesg --color=always",
    (text, { stamp }) => `\x1b[32m${stamp} \x1b[0m\x1b[33m${text}\x1b[0m`,
  ),
  each("dmesg with the caller", (text, { stamp }) => `${stamp.slice(0, -1)}][  T4219] ${text}`),
  records("dmesg --json", (text, { seconds }, _line, index) =>
    index === 0
      ? `{\n   "dmesg": [\n      {\n         "pri": 4,\n         "time": ${seconds},\n         "msg": ${JSON.stringify(text)}\n      }`
      : `      ,{\n         "pri": 4,\n         "time": ${seconds},\n         "msg": ${JSON.stringify(text)}\n      }`,
  ),
  records(
    "/dev/kmsg",
    (text, _moment, line, index) =>
      `${line.priority},${1000 + index},${line.microseconds},-;${escapeKmsg(text)}`,
  ),
  each(
    "talosctl dmesg",
    (text, { iso, fraction }, line) =>
      `10.5.0.2: kern: ${level(line).padStart(7)}: [${iso}.${fraction}Z]: ${text}`,
  ),
];

function level({ priority }: KernelLine): string {
  return LEVELS[priority & 7] ?? "info";
}

function escapeKmsg(text: string): string {
  return text.replace(
    /[\x00-\x1f\x7f-\uffff\\]/g,
    (unit) => `\\x${unit.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

const SYSLOG_STYLES: readonly Style[] = [
  SYSLOG,
  each("syslog without a stamp", (text, { syslog }) => `${syslog} worker-3 kernel: ${text}`),
  each("syslog of 2.6", (text, { syslog }) => `${syslog} worker-3 kernel: ${text}`),
  each(
    "rsyslog, RFC 3339",
    (text, { iso, fraction, stamp }) =>
      `${iso}.${fraction}+00:00 worker-3 kernel: ${stamp} ${text}`,
  ),
  each(
    "RFC 5424",
    (text, { iso, fraction, stamp }, { priority }) =>
      `<${priority}>1 ${iso}.${fraction}Z worker-3 kernel - - - ${stamp} ${text}`,
  ),
  each(
    "busybox",
    (text, { syslog, stamp }, line) =>
      `${syslog} worker-3 kern.${level(line)} kernel: ${stamp} ${text}`,
  ),
  each(
    "OpenWrt's logread",
    (text, { weekday, syslog, year, stamp }, line) =>
      `${weekday} ${syslog} ${year} kern.${level(line)} kernel: ${stamp} ${text}`,
  ),
  records(
    "rsyslog with #012",
    (text, { syslog, stamp }) =>
      `${syslog} worker-3 kernel: ${stamp} ${text.replaceAll("\n", "#012")}`,
  ),
  {
    name: "a whole log in one record with #012",
    write: (lines) => {
      const parts = lines.map((line) => `${momentOf(line).stamp} ${line.text}`).join("#012");
      return `Nov 20 23:10:05 worker-3 kernel: ${parts.replaceAll("\n", "#012")}\n`;
    },
  },
];

const JOURNAL_STYLES: readonly Style[] = [
  each(
    "journalctl -o short-precise",
    (text, { syslog, fraction }) => `${syslog}.${fraction} worker-3 kernel: ${text}`,
  ),
  each(
    "journalctl -o short-full",
    (text, { weekday, iso }) => `${weekday} ${iso.replace("T", " ")} UTC worker-3 kernel: ${text}`,
  ),
  each("journalctl -o short-iso", (text, { iso }) => `${iso}+0000 worker-3 kernel: ${text}`),
  each(
    "journalctl -o short-iso-precise",
    (text, { iso, fraction }) => `${iso}.${fraction}+0000 worker-3 kernel: ${text}`,
  ),
  each(
    "journalctl -o short-unix",
    (text, { unixMicroseconds }) =>
      `${(unixMicroseconds / 1e6).toFixed(6)} worker-3 kernel: ${text}`,
  ),
  each("journalctl -o short-monotonic", (text, { stamp }) => `${stamp} worker-3 kernel: ${text}`),
  each("journalctl --no-hostname", (text, { syslog }) => `${syslog} kernel: ${text}`),
  records("journalctl -o json", (text, moment) => JSON.stringify(journalFields(text, moment))),
  records("journalctl -o json-pretty", (text, moment) =>
    JSON.stringify(journalFields(text, moment), null, "\t"),
  ),
  records(
    "journalctl -o json-sse",
    (text, moment) => `data: ${JSON.stringify(journalFields(text, moment))}\n`,
  ),
  records(
    "journalctl -o json-seq",
    (text, moment) => `\x1e${JSON.stringify(journalFields(text, moment))}`,
  ),
  {
    name: "journalctl -o json in one array",
    write: (lines) =>
      `[${lines.map((line) => JSON.stringify(journalFields(line.text, momentOf(line)))).join(",\n")}]\n`,
  },
  records("journalctl -o export", (text, moment) => exported(journalFields(text, moment))),
  records(
    "journalctl -o verbose",
    (text, { weekday, iso, fraction }) =>
      `${weekday} ${iso.replace("T", " ")}.${fraction} UTC [s=88a;i=1;b=5f6c;m=1;t=2;x=3]\n    _TRANSPORT=kernel\n    PRIORITY=4\n    SYSLOG_IDENTIFIER=kernel\n    MESSAGE=${text.replaceAll("\n", "\n            ")}\n    _HOSTNAME=worker-3`,
  ),
];

function journalFields(text: string, { unixMicroseconds, seconds }: Moment) {
  return {
    __REALTIME_TIMESTAMP: String(unixMicroseconds),
    _TRANSPORT: "kernel",
    SYSLOG_IDENTIFIER: "kernel",
    _HOSTNAME: "worker-3",
    _SOURCE_MONOTONIC_TIMESTAMP: String(Math.round(Number(seconds) * 1e6)),
    PRIORITY: "4",
    MESSAGE: text,
  };
}

function exported(fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([key, value]) => {
    if (!value.includes("\n")) return `${key}=${value}`;
    // The length in eight bytes, little end first.
    const length = String.fromCharCode(value.length & 0x7f, (value.length >> 8) & 0x7f);
    return `${key}\n${length}\0\0\0\0\0\0${value}`;
  });
  return `${lines.join("\n")}\n`;
}

export const LOG_STYLES: readonly Style[] = [...DMESG_STYLES, ...SYSLOG_STYLES, ...JOURNAL_STYLES];
