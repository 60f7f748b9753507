import { complaintsOf, type Result } from "./row.ts";

const NAME_WIDTH = 21;
const COLUMNS: readonly (readonly [string, number])[] = [
  ["kills", 6],
  ["rec.", 6],
  ["twice", 6],
  ["made", 5],
  ["lost", 5],
  ["after", 8],
];

/** `row kills rec. twice made lost after told`: made are invented records, after is the time to recover. */
export function headLine(): string {
  const cells = COLUMNS.map(([name, width]) => name.padStart(width));
  return `${"row".padEnd(NAME_WIDTH)}${cells.join("")}  told`;
}

/** One aligned line, cut to `width`. */
export function line(result: Result, width: number): string {
  const name = result.row.name.padEnd(NAME_WIDTH);
  if (result.kind === "skipped") return cut(`${name} SKIPPED: ${result.reason}`, width);
  if (result.kind === "broken") return cut(`${name} BROKEN: ${result.error}`, width);
  const { killsTrue, recorded, doubled, invented, lost, told } = result.outcome;
  const after = result.outcome.recoveredAfterMilliseconds;
  const recovered = after === null ? "never" : `${(after / 1000).toFixed(1)} s`;
  const values = [killsTrue, recorded, doubled, invented, lost, recovered];
  const cells = COLUMNS.map(([, columns], index) => `${values[index]}`.padStart(columns));
  return cut(`${name}${cells.join("")}  ${told}`, width);
}

/** Everything of a result as one JSON object. */
export function json(result: Result): string {
  const { name, fault } = result.row;
  const complaints = complaintsOf(result);
  switch (result.kind) {
    case "ran":
      return JSON.stringify({
        name,
        fault,
        ...result.outcome,
        complaints,
        seconds: result.seconds,
      });
    case "skipped":
      return JSON.stringify({ name, fault, skipped: result.reason });
    case "broken":
      return JSON.stringify({ name, fault, complaints });
  }
}

function cut(text: string, width: number): string {
  const flat = text.replaceAll(/\s+/g, (space) => (space.includes("\n") ? " " : space));
  return flat.length > width ? `${flat.slice(0, width - 1)}…` : flat;
}
