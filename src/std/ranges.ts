/** Ranges that are named. */
const NAMED = 5;

/** The whole numbers from `first` to `last` that are not among `known` (ascending), as `3, 7-9`; `null` when none is missing. */
export function missingRanges(
  first: number,
  last: number,
  known: readonly number[],
): string | null {
  const ranges: string[] = [];
  let next = first;
  for (const one of [...known.filter((number) => number <= last), last + 1]) {
    if (one > next) ranges.push(next === one - 1 ? `${next}` : `${next}-${one - 1}`);
    next = Math.max(next, one + 1);
  }
  if (ranges.length === 0) return null;
  return ranges.slice(0, NAMED).join(", ") + (ranges.length > NAMED ? " and more" : "");
}
