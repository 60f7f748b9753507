import { jsonLine } from "./json-line.ts";
import type { StreamRecord } from "./sink.ts";

/** One record as server-sent event, ready to write. */
export interface Frame {
  readonly sequence: number;
  readonly text: string;
}

/**
 *     id: 17
 *     event: kill
 *     data: {"type":"kill",…}
 */
export function frameText(sequence: number, type: string, json: string): string {
  return `id: ${sequence}\nevent: ${type}\ndata: ${json.replace(/[\r\n]/g, " ")}\n\n`;
}

export function frameOf({ sequence, record }: StreamRecord): Frame {
  return { sequence, text: frameText(sequence, record.type, jsonLine(record)) };
}

/** The newest frames, so that a short absence needs no file. Sequences ascend. */
export class EventRing {
  readonly #limit: number;
  #frames: Frame[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(frames: readonly Frame[]): void {
    for (const frame of frames) this.#frames.push(frame);
    // Cut when twice as long, so that each frame is moved once at most.
    if (this.#frames.length >= 2 * this.#limit) this.#frames = this.#frames.slice(-this.#limit);
  }

  /** The oldest sequence held; `null` when empty. */
  first(): number | null {
    return this.#frames[0]?.sequence ?? null;
  }

  /** Frames from `sequence` on, at most `limit`. */
  from(sequence: number, limit: number): readonly Frame[] {
    const start = this.#indexOf(sequence);
    return this.#frames.slice(start, start + limit);
  }

  /** Index of the first frame with at least this sequence. */
  #indexOf(sequence: number): number {
    let low = 0;
    let high = this.#frames.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#frames[middle]?.sequence ?? 0) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
