/**
 * Kernel lines as `journalctl --dmesg --output=json` prints them, for machines where /dev/kmsg is closed to us:
 *
 *     {"_TRANSPORT":"kernel","SYSLOG_FACILITY":"0","PRIORITY":"3","_SOURCE_MONOTONIC_TIMESTAMP":"2931512", \
 *      "MESSAGE":"Memory cgroup out of memory: Killed process 142 (tool) total-vm:21576kB, …"}
 *
 * Weaker than /dev/kmsg: journald drops the sequence numbers (losses cannot be counted) and the continuation flag (a cut
 * line is put together only where its piece begins with a key). `_TRANSPORT` cannot be forged by user space.
 */
import type { KmsgRecord } from "./kmsg-record.ts";

/** A kernel line is at most 1 KiB; the fields around it are a few more. */
const MAX_JSON_CHARACTERS = 65_536;
/** Records of one microsecond that can be told apart. */
const SAME_TIME = 64;
const PIECE = /^(?:\/|,(?:cpuset=|mems_allowed=|oom_memcg=|global_oom|task_memcg=|task=))/;
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes of journalctl, cut anywhere, to records. `sequence` is the kernel's time and a counter: stable on every replay. */
export class JournalDecoder {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #rest = "";
  #dropped = 0;
  #lastMicroseconds = -1;
  #sameTime = 0;

  /** Lines that could not be read, since the decoder was made. */
  get dropped(): number {
    return this.#dropped;
  }

  push(chunk: Uint8Array): KmsgRecord[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > MAX_JSON_CHARACTERS) {
      this.#rest = "";
      this.#dropped += 1;
    }
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): KmsgRecord[] {
    if (line === "") return [];
    const fields = readFields(line);
    if (fields === null) this.#dropped += 1;
    if (fields === null || fields["_TRANSPORT"] !== "kernel") return [];
    const microseconds = Number(fields["_SOURCE_MONOTONIC_TIMESTAMP"] ?? Number.NaN);
    const text = readMessage(fields["MESSAGE"]);
    if (text === null || !Number.isSafeInteger(microseconds * SAME_TIME)) return [];
    const facility = Number(fields["SYSLOG_FACILITY"] ?? 1);
    const level = Number(fields["PRIORITY"] ?? 6);
    return [
      {
        priority: facility * 8 + level,
        facility,
        level,
        sequence: this.#sequence(microseconds),
        timestampMicroseconds: microseconds,
        flags: PIECE.test(text) ? "c" : "-",
        caller: null,
        text,
      },
    ];
  }

  #sequence(microseconds: number): number {
    this.#sameTime =
      microseconds === this.#lastMicroseconds ? Math.min(this.#sameTime + 1, SAME_TIME - 1) : 0;
    this.#lastMicroseconds = microseconds;
    return microseconds * SAME_TIME + this.#sameTime;
  }
}

function readFields(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

/** A string, or the bytes of one that is not printable. */
function readMessage(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return null;
  return UTF8.decode(Uint8Array.from(value, (byte: unknown) => Number(byte)));
}
