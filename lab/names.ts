/**
 * Process names that try to break a reader: at most 15 bytes each, written with `\xNN` where a byte has no better form (the
 * way `--name` of the programs takes them, and almost the way /dev/kmsg prints them).
 */
export const HOSTILE_NAMES: readonly { readonly name: string; readonly tries: string }[] = [
  { name: "x) Killed proce", tries: "to end its own parenthesis and begin a kill" },
  { name: "1 (init) total-", tries: "to look like another victim" },
  { name: "a\\x0aKilled proc", tries: "a new line, then a kill" },
  { name: "\\x0a\\x0a\\x0d", tries: "nothing but line ends" },
  { name: '"q"\\x5c\\x5c"\\x09{', tries: "quotes, backslashes and a tab in JSON" },
  { name: "\\xff\\xfe\\xc3\\x28", tries: "bytes that are no UTF-8" },
  { name: "\\xf0\\x9f\\x92\\xa9\\xf0\\x9f", tries: "a character cut in the middle" },
  { name: "oom-kill:constr", tries: "to be a summary line" },
  { name: ",pid=1,uid=0", tries: "more fields in the summary line" },
  { name: ",task_memcg=/x", tries: "another cgroup in the summary line" },
  { name: "total-vm:1kB,", tries: "the field after its own name" },
  { name: "\\x1b[31mred\\x1b[2J", tries: "to steer the reader's terminal" },
  { name: " leading (x", tries: "a space first and an open parenthesis" },
  { name: "trailing ) ", tries: "a parenthesis and a space last" },
  { name: "comm=a pid=1", tries: "the fields of the tracepoint" },
  { name: "\\x7f\\x01\\x02", tries: "control bytes" },
  { name: "\\x5cx41", tries: "to look like an escape" },
  { name: "%s%n%d", tries: "a format string" },
  { name: "__proto__", tries: "a property every object has" },
  { name: "<b>&amp;</b>", tries: "markup on the page" },
];

/** The bytes of a name written with `\xNN`. */
export function nameBytes(escaped: string): Uint8Array {
  const bytes: number[] = [];
  for (const part of escaped.split(/(\\x[0-9a-f]{2})/)) {
    if (/^\\x[0-9a-f]{2}$/.test(part)) bytes.push(Number.parseInt(part.slice(2), 16));
    else bytes.push(...Buffer.from(part));
  }
  return Uint8Array.from(bytes);
}
