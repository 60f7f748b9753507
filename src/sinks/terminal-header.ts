import { RUNTIME_SOURCE_NAMES, type SourceName } from "../model/observation.ts";
import type { LedgerRecord, SourceRecord } from "../model/record.ts";
import { clockText, fitted, type LineOptions, paint, type Style, sign } from "./terminal-style.ts";
import { safeText, type TextOptions, textColumns, wrapText } from "./terminal-text.ts";

/** A source with the clause it says of itself, or "". */
export interface HeaderSource {
  readonly record: SourceRecord;
  readonly note: string;
}

/** What stands above the kills: the program, the node, the kernel, every source with its state, and what is missing. */
export function formatHeader(
  about: { readonly version: string; readonly node: string; readonly kernel: string },
  sources: readonly HeaderSource[],
  options: LineOptions,
): readonly string[] {
  const dot = ` ${sign("dot", options)} `;
  const title = `oomwitness ${about.version}${dot}${about.node}${dot}Linux ${about.kernel}`;
  const notes = sources.flatMap(({ record }) => formatSourceNote(record, options));
  return [
    paint("bold", fitted(safeText(title, options), options), options),
    ...packed(sources, options),
    ...notes,
  ];
}

/** Sources side by side, as many a line as fit. */
function packed(sources: readonly HeaderSource[], options: LineOptions): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const source of sources) {
    const item = stateText(source, options);
    const longer = line === "" ? item : `${line}   ${item}`;
    if (line !== "" && textColumns(longer, options) > (options.width ?? 80)) {
      lines.push(line);
      line = item;
    } else {
      line = longer;
    }
  }
  const all = line === "" ? lines : [...lines, line];
  return all.map((text) => paintSigns(fitted(text, options), options));
}

/** `cgroup ✓ v1`: of the note only the version has room here. */
function stateText({ record, note }: HeaderSource, options: TextOptions): string {
  const version = /^v[12]\b/.exec(note)?.[0] ?? "";
  return `${record.source} ${stateSign(record, options)} ${version}`.trimEnd();
}

function stateSign(source: SourceRecord, options: TextOptions): string {
  switch (source.state) {
    case "up":
      return sign("up", options);
    case "down":
      return sign(source.reason === null ? "waiting" : "down", options);
    case "blind":
      return sign("blind", options);
    case "unavailable":
      return sign("away", options);
  }
}

function paintSigns(line: string, options: LineOptions): string {
  return line
    .replaceAll("✓", paint("green", "✓", options))
    .replaceAll("✗", paint("red", "✗", options))
    .replaceAll("⊘", paint("red", "⊘", options))
    .replaceAll("–", paint("yellow", "–", options));
}

/**
 * Why a source does not see, and what would enable it; nothing for one that does. Of a runtime that is not here only why:
 * most machines have one of them, and 'oomwitness doctor' says what enables the others.
 */
export function formatSourceNote(source: SourceRecord, options: LineOptions): readonly string[] {
  if (source.state === "up" || source.reason === null) return [];
  const width = Math.min(options.width ?? 80, 80);
  const short = source.state === "unavailable" && isRuntime(source.source);
  const reason = short ? firstClause(source.reason) : source.reason;
  const text = `${source.source}: ${safeText(reason, options)}`;
  return wrapText(text, width, 2, options).map((line) => paint("dim", line, options));
}

function isRuntime(source: SourceName): boolean {
  return RUNTIME_SOURCE_NAMES.some((name) => name === source);
}

function firstClause(reason: string): string {
  const end = reason.indexOf(": ");
  return end < 0 ? reason : reason.slice(0, end);
}

/** A source that changed while we watched, with the reason in full. */
export function formatSourceChange(
  source: SourceRecord,
  at: string,
  options: LineOptions,
): readonly string[] {
  const reason = source.reason === null ? "" : `: ${source.reason}`;
  const text = `${clockText(at, options)} ${source.source} ${source.state}${reason}`;
  const width = Math.min(options.width ?? 80, 80);
  const style = source.state === "up" ? "dim" : "yellow";
  return wrapText(text, width, 2, options).map((line) => paint(style, line, options));
}

/** `kernel 312 · recorded 312 · unaccounted 0 · unattributed 0`, coloured only where it is not 0. */
export function formatLedger(ledger: LedgerRecord, lost: number, options: LineOptions): string {
  const parts: readonly (readonly [string, number | null, Style | null])[] = [
    ["kernel", ledger.kernel, null],
    ["recorded", ledger.recorded, null],
    ["unaccounted", ledger.unaccounted, "red"],
    ["unattributed", ledger.unattributed, "yellow"],
    ...(lost > 0 ? [["lost", lost, "yellow"] as const] : []),
  ];
  const dot = ` ${sign("dot", options)} `;
  const words = parts.map(([name, value]) => `${name} ${value ?? "unknown"}`);
  const plain = words.join(dot);
  if (options.width !== null && textColumns(plain, options) > options.width) {
    return fitted(plain, options);
  }
  return parts
    .map(([, value, style], index) =>
      paint(value === 0 || value === null ? null : style, words[index] ?? "", options),
    )
    .join(dot);
}

/** What stands in the place of kills before the first. */
export function formatEmpty(sinceAt: string, options: LineOptions): readonly string[] {
  const since = clockText(sinceAt, options).slice(0, 5);
  return [
    `Watching since ${since}. No kill yet.`,
    "To see one, run in another terminal: oomwitness selftest",
  ].map((line) => paint("dim", fitted(line, options), options));
}
