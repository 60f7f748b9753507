import { jsonLine } from "./json-line.ts";
import type { Sink, StreamRecord } from "./sink.ts";

/** Where the lines go: standard output, a file, a pipe. */
export interface TextOutput {
  /** Takes the text in any case; false when it would rather not get more before `onDrain` calls. */
  write(text: string): boolean;
  /** Registers a call for each time the output has emptied. */
  onDrain(call: () => void): void;
}

export interface JsonLinesSink extends Sink {
  /** Records that were not written because the reader was too slow. */
  dropped(): number;
}

/** Records that may wait for a slow reader. At 1 KiB a record this holds about 10 MiB in the worst case. */
export const WAITING_LIMIT = 10_000;
/** Records written in one call, so that a long queue does not become one huge string. */
const CHUNK = 200;

/** Writes every record as one JSON line. When the reader is slow records wait, bounded; the rest is dropped and counted. */
export function createJsonLines(output: TextOutput, waitingLimit = WAITING_LIMIT): JsonLinesSink {
  const waiting: StreamRecord[] = [];
  let blocked = false;
  let dropped = 0;

  const pump = (): void => {
    while (!blocked && waiting.length > 0) {
      blocked = !output.write(linesOf(waiting.splice(0, CHUNK)));
    }
  };
  output.onDrain(() => {
    blocked = false;
    pump();
  });
  return {
    name: "json-lines",
    accept: (records) => {
      for (const record of records) {
        if (waiting.length >= waitingLimit) dropped += 1;
        else waiting.push(record);
        if (waiting.length >= CHUNK) pump();
      }
      pump();
    },
    // What waits is handed over: the output queues it, and its owner decides how long to wait for the reader.
    close: async () => {
      while (waiting.length > 0) output.write(linesOf(waiting.splice(0, CHUNK)));
    },
    dropped: () => dropped,
  };
}

function linesOf(records: readonly StreamRecord[]): string {
  return records.map(({ record }) => `${jsonLine(record)}\n`).join("");
}
