import { loweringOf } from "./lowering.ts";
import { memorySwapLimitOf } from "./memory-swap.ts";
import type { Story } from "./story.ts";

/** What ends or is freed between the failed request and the report is less than this part of the limit. */
const NEAR = 0.8;

/** The kernel names a limit, and the usage it prints is far below it: what it says does not hang together. */
export function isFarBelow(story: Story): boolean {
  const { constraint, usageBytes, limitBytes, report } = story;
  if (constraint !== "memcg" || usageBytes === null || limitBytes === null) return false;
  // v1's limits of memory and swap, and of the kernel's memory, are hit while memory's own has room.
  const { usageBytes: kernel = 0, limitBytes: most = null } = report?.kernelMemory ?? {};
  if (memorySwapLimitOf(story) !== null || (most !== null && kernel >= most)) return false;
  return usageBytes < limitBytes * NEAR && !story.sysrq && loweringOf(story)?.over !== true;
}
