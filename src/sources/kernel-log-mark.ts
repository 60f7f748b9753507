import { type Host, HostError } from "../host/host.ts";

/**
 * One line of our own in the kernel's log, written when we begin to read it. In /dev/kmsg it comes back as
 *
 *     14,5127,8423190211,-;oomwitness: reads the kernel's log from here (8423188904)
 *
 * What stands before it was written before we began, and its stamp, read against our clock before and after the write, is
 * the difference of the two clocks. Facility 1: no reader takes it for the kernel's word.
 */
export interface LogMark {
  readonly text: string;
  /** It was written between these moments, µs, CLOCK_MONOTONIC. */
  readonly from: number;
  readonly to: number;
}

/** A write to the log may be allowed and thrown away (sysctl kernel.printk_devkmsg, Linux 4.9). */
const DEVKMSG = "sys/kernel/printk_devkmsg";

/** Writes the mark; `null` where we may not write to the log. `path`: /dev/kmsg. */
export function writeMark(host: Host, path: string, procRoot: string): LogMark | null {
  if (host.files.tryReadText(`${procRoot}/${DEVKMSG}`)?.trim() === "off") return null;
  const from = host.clock.monotonicMicroseconds();
  const text = `oomwitness: reads the kernel's log from here (${from})`;
  try {
    // 6: information, which consoles do not show. Without the newline the kernel keeps the record open for a continuation, and
    // readers get it only with the next record (6.18, measured; kernel/printk/printk.c, LOG_NEWLINE).
    host.files.appendText(path, `<6>${text}\n`);
  } catch (error) {
    if (error instanceof HostError) return null;
    throw error;
  }
  return { text, from, to: host.clock.monotonicMicroseconds() };
}
