/** One figure a line: `name value unit`. */
export function say(name: string, value: number | string, unit = ""): void {
  const text = typeof value === "number" ? rounded(value) : value;
  process.stdout.write(`${name} ${text}${unit === "" ? "" : ` ${unit}`}\n`);
}

/** The value that `share` (0 … 1) of the sample does not exceed; NaN of an empty sample. */
export function quantile(sample: readonly number[], share: number): number {
  const sorted = sample.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** The middle value, or the mean of the two in the middle. */
export function median(sample: readonly number[]): number {
  const sorted = sample.toSorted((left, right) => left - right);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return (low + high) / 2;
}

/** Three significant digits, whole numbers whole. */
function rounded(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
