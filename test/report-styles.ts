/** Every form in which a kernel's log reaches a reader: programs that print it, and what is put around their lines. */
import {
  BARE,
  DMESG,
  each,
  mapLines,
  over,
  records,
  type Style,
  SYSLOG,
} from "./report-style-kit.ts";
import { LOG_STYLES } from "./report-styles-logs.ts";

const CONTAINER_STYLES: readonly Style[] = [
  over(
    "Docker's json-file",
    DMESG,
    mapLines((line) => dockerLine(line)),
  ),
  over(
    "CRI",
    DMESG,
    mapLines((line) => `2026-11-20T23:10:05.123456789Z stdout F ${line}`),
  ),
  over(
    "CRI around syslog",
    SYSLOG,
    mapLines((line) => `2026-11-20T23:10:05.123456789+01:00 stderr F ${line}`),
  ),
  over(
    "CRI in pieces",
    DMESG,
    mapLines((line) => {
      const at = Math.min(10, line.length);
      return `2026-11-20T23:10:05.123456789Z stdout P ${line.slice(0, at)}\n2026-11-20T23:10:05.123456790Z stdout F ${line.slice(at)}`;
    }),
  ),
  over(
    "Docker in CRI",
    DMESG,
    mapLines((line) => `2026-11-20T23:10:05.123456789Z stdout F ${dockerLine(line)}`),
  ),
  over(
    "docker compose",
    DMESG,
    mapLines((line) => `kmsg-1  | ${line}`),
  ),
  over(
    "kubectl logs --prefix",
    DMESG,
    mapLines((line) => `[pod/kmsg-x7k2p/reader] ${line}`),
  ),
  over(
    "stern",
    DMESG,
    mapLines((line) => `kmsg-x7k2p reader ${line}`),
  ),
  over(
    "kubectl logs --timestamps",
    BARE,
    mapLines((line) => `2026-11-20T23:10:05.123456789Z ${line}`),
  ),
  records("logstash", (text, { iso }) =>
    JSON.stringify({
      "@timestamp": `${iso}.000Z`,
      host: "worker-3",
      program: "kernel",
      message: text,
    }),
  ),
  records(
    "fluentd",
    (text, { iso }) =>
      `${iso.replace("T", " ")} +0000 kern.warn: ${JSON.stringify({ host: "worker-3", ident: "kernel", message: text })}`,
  ),
  records("Google Cloud", (text, { iso }) =>
    JSON.stringify({
      insertId: "x",
      jsonPayload: { MESSAGE: text, SYSLOG_IDENTIFIER: "kernel" },
      timestamp: `${iso}Z`,
    }),
  ),
  each("CloudWatch", (text, { unixMicroseconds, stamp }) =>
    JSON.stringify({ timestamp: Math.floor(unixMicroseconds / 1000), message: `${stamp} ${text}` }),
  ),
];

function dockerLine(line: string): string {
  return JSON.stringify({
    log: `${line}\n`,
    stream: "stdout",
    time: "2026-11-20T23:10:05.123456789Z",
  });
}

const PASTE_STYLES: readonly Style[] = [
  over("Windows line ends", DMESG, (text) => text.replaceAll("\n", "\r\n")),
  over("a byte order mark", DMESG, (text) => `\ufeff${text}`),
  over(
    "quoted mail",
    DMESG,
    mapLines((line) => `> ${line}`),
  ),
  over(
    "mail quoted twice",
    SYSLOG,
    mapLines((line) => `> > ${line}`),
  ),
  over(
    "mail quoted by initials",
    DMESG,
    mapLines((line) => `JS> ${line}`),
  ),
  over(
    "indented",
    DMESG,
    mapLines((line) => `    ${line}`),
  ),
  over(
    "indented by a tab",
    SYSLOG,
    mapLines((line) => `\t${line}`),
  ),
  over(
    "cat -n",
    DMESG,
    mapLines((line, index) => `${String(index + 1).padStart(6)}\t${line}`),
  ),
  over(
    "cat -n, bare",
    BARE,
    mapLines((line, index) => `${String(index + 1).padStart(6)}\t${line}`),
  ),
  over(
    "less -N",
    SYSLOG,
    mapLines((line, index) => `${String(index + 1).padStart(7)} ${line}`),
  ),
  over(
    "grep -n",
    DMESG,
    mapLines((line, index) => `${index + 1}:${line}`),
  ),
  over(
    "grep -n over files",
    SYSLOG,
    mapLines((line, index) => `/var/log/kern.log:${index + 1}:${line}`),
  ),
  over(
    "grep -C",
    SYSLOG,
    mapLines((line, index) => (index % 3 === 0 ? `kern.log:${line}` : `kern.log-${line}`)),
  ),
  over("Markdown", DMESG, (text) => `Look:\n\n\`\`\`\n${text}\`\`\`\n`),
  over(
    "HTML",
    SYSLOG,
    (text) =>
      `<pre>${text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")}</pre>\n`,
  ),
  over("HTML with breaks", SYSLOG, (text) => text.replaceAll("\n", "<br>\n")),
  over(
    "a list of JSON strings",
    DMESG,
    (text) =>
      `"stdout_lines": [\n${mapLines((line) => `        ${JSON.stringify(line)},`)(text)}]\n`,
  ),
  over(
    "logfmt",
    BARE,
    mapLines((line) => `time="2026-11-20T23:10:05Z" level=info msg=${JSON.stringify(line)}`),
  ),
  over(
    "a list in YAML",
    DMESG,
    mapLines((line) => `      - '${line.replaceAll("'", "''")}'`),
  ),
  over(
    "logcli",
    BARE,
    mapLines((line) => `2026-11-20T23:10:05Z {host="worker-3", job="journal"} ${line}`),
  ),
  over(
    "CSV",
    SYSLOG,
    mapLines((line) => `"2026-11-20T23:10:05.000Z","worker-3","${line.replaceAll('"', '""')}"`),
  ),
  over(
    "a table of a wiki",
    DMESG,
    mapLines((line) => `| ${line} |`),
  ),
  over(
    "trailing blanks",
    SYSLOG,
    mapLines((line) => `${line}   `),
  ),
  over(
    "logcat",
    BARE,
    mapLines((line) => `11-20 23:10:05.123     0     0 W kernel  : ${line}`),
  ),
  over(
    "a serial console",
    DMESG,
    (text) => `\x1b[0;32m  OK  \x1b[0m] Started.\r\n${text.replaceAll("\n", "\r\r\n")}`,
  ),
];

export const STYLES: readonly Style[] = [...LOG_STYLES, ...CONTAINER_STYLES, ...PASTE_STYLES];
