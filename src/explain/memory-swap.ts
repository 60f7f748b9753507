/** v1's second limit, on memory and swap together (memory.memsw.limit_in_bytes): full while memory's own has room. */
import type { Story } from "./story.ts";
import { bytesText } from "./words.ts";

const MIB = 1024 * 1024;
/** The largest single charge is a huge page: with more room than that memory's own limit refused nothing. */
const ROOM = 2 * MIB;

export interface MemorySwapLimit {
  readonly usageBytes: number;
  readonly limitBytes: number;
  /** Memory's own limit was never reached (failcnt 0). */
  readonly sure: boolean;
  /** ` of 34 GiB of memory and swap together`. */
  readonly words: string;
}

/** `null` unless it is this limit, and not memory's own, that was hit. */
export function memorySwapLimitOf(story: Story): MemorySwapLimit | null {
  const { report, usageBytes, limitBytes: own } = story;
  const { usageBytes: used, limitBytes = null } = report?.memorySwap ?? {};
  if (limitBytes === null || used === undefined || used < limitBytes) return null;
  if (usageBytes === null || own === null || usageBytes + ROOM >= own) return null;
  const sure = report?.memory?.failCount === 0;
  const words = ` of ${bytesText(limitBytes)} of memory and swap together`;
  return { usageBytes: used, limitBytes, sure, words };
}
