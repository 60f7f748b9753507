/**
 * The journal in place of /dev/kmsg, for users who may not open the log but are in the group `adm` or `systemd-journal`.
 * `dmesg --follow` is no third way: it reads /dev/kmsg itself.
 */
import { JournalDecoder } from "../parse/kernel-log-journal.ts";
import type { LogInput } from "./kernel-log-input.ts";

/** Lines of backlog asked for: more than a 128 KiB log buffer holds. */
const BACKLOG_LINES = 10_000;

const ARGUMENTS = [
  "--dmesg",
  "--follow",
  "--output=json",
  "--no-pager",
  "--quiet",
  `--lines=${BACKLOG_LINES}`,
  "--output-fields=MESSAGE,PRIORITY,SYSLOG_FACILITY,_TRANSPORT,_SOURCE_MONOTONIC_TIMESTAMP",
];

export const journalInput: LogInput = {
  log: "journal",
  note: "reads the journal: losses cannot be counted and cut lines may lack the cgroup",
  open: (host, handler) => host.processes.streamCommand("journalctl", ARGUMENTS, handler),
  decoder: () => new JournalDecoder(),
};
