/**
 * `memory.max` (v2: `max` or bytes) and `memory.limit_in_bytes` (v1) hold one line, e.g.
 *
 *     20971520
 *
 * v1 prints 9223372036854771712 (PAGE_COUNTER_MAX pages of 4 KiB) for "unlimited", other page sizes a little less.
 */

/** No machine has 2^53 bytes; everything from there on is the kernel's way to say "unlimited". */
const UNLIMITED_BYTES = Number.MAX_SAFE_INTEGER;

/** The limit in bytes; `null` when unlimited or unreadable. */
export function parseMemoryLimit(text: string): number | null {
  const trimmed = text.trim();
  if (!/^\d{1,20}$/.test(trimmed)) return null;
  const bytes = Number(trimmed);
  return bytes < UNLIMITED_BYTES ? bytes : null;
}
