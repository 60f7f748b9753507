/** What the tests of recorded and of written kernel logs share: bytes in, events out. */
import { KernelLogAssembler, type KernelLogEvent } from "../src/parse/kernel-log-assembler.ts";
import { KmsgDecoder } from "../src/parse/kmsg-record.ts";

/** fast-check prints the seed of a law that fails; `OOMWITNESS_SEED=N` repeats it. */
export const LAWS = {
  seed: Number(process.env["OOMWITNESS_SEED"] ?? 20261120),
  numRuns: 200,
  verbose: 1,
};

export type KillEvent = Extract<KernelLogEvent, { kind: "kill" }>;

export const isKill = (event: KernelLogEvent): event is KillEvent => event.kind === "kill";

export function assemble(chunks: readonly Uint8Array[]): KernelLogEvent[] {
  const decoder = new KmsgDecoder();
  const assembler = new KernelLogAssembler();
  const records = chunks.flatMap((chunk) => decoder.push(chunk));
  return records.flatMap((record) => [...assembler.push(record)]);
}

export const assembleText = (text: string) => assemble([new TextEncoder().encode(text)]);

/** The bytes in pieces of the given sizes, over and over. */
export function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let start = 0, turn = 0; start < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(start, start + size));
    start += size;
  }
  return chunks;
}
