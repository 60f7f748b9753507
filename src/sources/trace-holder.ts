import type { Host } from "../host/host.ts";

/** The program whose reader has locked a trace instance. */
export interface Holder {
  readonly pid: number;
  /** Its command line, shortened; "" when it cannot be read. */
  readonly command: string;
}

const COMMAND_CHARACTERS = 80;

/**
 * Who holds the lock on a directory, from /proc/locks; `null` when it is free, or held in a pid namespace that cannot be
 * seen from here:
 *
 *     1: FLOCK  ADVISORY  WRITE 19199 00:0d:186726 0 EOF
 */
export function holderOf(host: Host, directory: string): Holder | null {
  const inode = host.files.inode(directory);
  const locks = host.files.tryReadText("/proc/locks") ?? "";
  const pattern = new RegExp(`^\\d+: FLOCK +\\w+ +WRITE (\\d+) [\\da-f:]+:${inode} `, "m");
  const reader = inode === null ? undefined : pattern.exec(locks)?.[1];
  if (reader === undefined) return null;
  // The reader is a child of the program that wants to know.
  const status = host.files.tryReadText(`/proc/${reader}/status`) ?? "";
  const parent = /^PPid:\s+(\d+)$/m.exec(status)?.[1];
  const pid = parent === undefined || Number(parent) <= 1 ? reader : parent;
  const words = (host.files.tryReadText(`/proc/${pid}/cmdline`) ?? "").split("\0");
  const command = words
    .join(" ")
    .trim()
    .replace(/[^\x20-\x7e]/g, "?");
  return { pid: Number(pid), command: command.slice(0, COMMAND_CHARACTERS) };
}

/** Why this instance cannot be read, and what to do. */
export function heldSentence(instance: string, holder: Holder | null): string {
  const who =
    holder === null
      ? "a process of another pid namespace (an agent in a container?)"
      : `pid ${holder.pid} (${holder.command})`;
  return `${instance} is read by ${who}: stop it, one agent a machine is enough; until then this one sees by its other sources.`;
}
