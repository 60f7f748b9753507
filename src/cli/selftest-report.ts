import type { SourceRecord } from "../model/record.ts";
import { formatLedger, formatSourceNote } from "../sinks/terminal-header.ts";
import { type LineOptions, paint, sign } from "../sinks/terminal-style.ts";
import { wrapText } from "../sinks/terminal-text.ts";
import { bytesText, ownerOf } from "../sinks/terminal-words.ts";
import type { SelftestResult } from "./selftest.ts";
import { formatTable } from "./table.ts";

/** The page of `selftest`: a table of sources, the books, and the verdict in a sentence. */
export function formatSelftest(result: SelftestResult, options: LineOptions): readonly string[] {
  const notes = result.sources.flatMap(({ record }) => formatSourceNote(record, options));
  return [
    ...about(result, options),
    "",
    ...formatTable(
      [
        { heading: "SOURCE" },
        { heading: "SAW IT" },
        { heading: "LATENCY", right: true },
        { heading: "" },
      ],
      result.sources.map(({ record, latencySeconds }) => [
        record.source,
        sawText(record, latencySeconds, options),
        latencyText(latencySeconds),
        "",
      ]),
      options,
    ),
    "",
    `${formatLedger(result.ledger, 0, options)}`,
    ...notes,
    verdict(result, options),
  ];
}

function about(result: SelftestResult, options: LineOptions): readonly string[] {
  const from =
    result.from === "kernel"
      ? "the kernel's own time stamp of the kill"
      : "the moment the exit was seen";
  const record = result.records[0];
  const victim = record?.victim.comm ?? "the test process";
  const where = record === undefined ? "" : ` in ${ownerOf(record)}`;
  const limit = record === undefined ? "" : `, limit ${bytesText(record.limit.bytes)}`;
  const text = `Killed ${victim}[${result.kill.pid}]${where}${limit}. Latency is counted from ${from}.`;
  return wrapText(text, Math.min(options.width ?? 80, 80), 0, options);
}

function sawText(record: SourceRecord, latency: number | null, options: LineOptions): string {
  if (latency !== null) return `${sign("up", options)} yes`;
  return record.state === "up"
    ? `${sign("down", options)} no`
    : `${sign("away", options)} ${record.state}`;
}

/** `0.3 ms`, `1.2 s`; a source may speak before the exit is seen. */
function latencyText(seconds: number | null): string {
  if (seconds === null) return "";
  if (seconds < 0) return "before it";
  return seconds < 1 ? `${(seconds * 1000).toFixed(1)} ms` : `${seconds.toFixed(2)} s`;
}

function verdict(result: SelftestResult, options: LineOptions): string {
  const { records, ledger } = result;
  if (records.length === 0) {
    return paint(
      "red",
      "Not recorded: see 'oomwitness doctor' for what enables a source.",
      options,
    );
  }
  if (records.length > 1) return paint("red", `Recorded ${records.length} times.`, options);
  if ((ledger.unaccounted ?? 0) !== 0) {
    return paint("red", `Recorded once, but the books differ by ${ledger.unaccounted}.`, options);
  }
  return paint("green", "Recorded exactly once.", options);
}

/** The same for programs: one object. */
export function jsonSelftest(result: SelftestResult): object {
  const { ledger } = result;
  return {
    items: result.sources.map(({ record, latencySeconds }) => ({
      source: record.source,
      state: record.state,
      reason: record.reason,
      saw: latencySeconds !== null,
      latencySeconds,
    })),
    latencyFrom: result.from,
    pid: result.kill.pid,
    recorded: result.records.length,
    records: result.records,
    ledger,
  };
}
