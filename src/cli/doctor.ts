import { checkSources } from "../agent/check-sources.ts";
import { SOURCE_NAMES } from "../model/observation.ts";
import type { SourceRecord } from "../model/record.ts";
import { type LineOptions, paint, sign } from "../sinks/terminal-style.ts";
import { safeText, wrapText } from "../sinks/terminal-text.ts";
import { localOffsetMinutes } from "./console.ts";
import { type EnvironmentFact, environmentFacts } from "./doctor-facts.ts";
import { type Context, passingInstance, sourceOptions, stateDirectory } from "./environment.ts";
import type { ExitStatus } from "./errors.ts";
import { flagOption, numberOption, type RawOptions } from "./options.ts";

/** A source with the clause it says of itself. */
export interface CheckedSource {
  readonly record: SourceRecord;
  readonly note: string;
}

/** journalctl, the last resort for the kernel log, needs 3 s to show that it may read nothing. */
const DEFAULT_PATIENCE_SECONDS = 5;

/** `oomwitness doctor`: which sources work here, and what enables the others. 1 when none does. */
export async function run(context: Context, options: RawOptions): Promise<ExitStatus> {
  const { console, host } = context;
  const sources = sourceOptions(context, options, {
    instanceName: passingInstance(context),
    keepInstance: false,
    history: false,
  });
  const patience = numberOption(options, "patience") ?? DEFAULT_PATIENCE_SECONDS;
  const facts = environmentFacts(host, sources, stateDirectory(context, options));
  const checked = inOrder(await checkSources(host, sources, patience));
  if (flagOption(options, "json")) {
    console.write(`${JSON.stringify(jsonDoctor(checked, facts))}\n`);
  } else {
    const { colour, unicode } = console;
    const width = console.size().columns;
    const lines = { colour, unicode, width, offsetMinutes: localOffsetMinutes };
    console.write(`${formatDoctor(checked, facts, lines).join("\n")}\n`);
  }
  return checked.some(({ record }) => record.state === "up") ? 0 : 1;
}

function inOrder(sources: readonly CheckedSource[]): readonly CheckedSource[] {
  return SOURCE_NAMES.flatMap((name) => sources.filter(({ record }) => record.source === name));
}

/** The page of `doctor`: every source with its state and why, then the facts of the machine. */
export function formatDoctor(
  sources: readonly CheckedSource[],
  facts: readonly EnvironmentFact[],
  options: LineOptions,
): readonly string[] {
  const width = Math.min(options.width ?? 80, 100);
  const heading = paint(
    "bold",
    `${"SOURCE".padEnd(12)}${"STATE".padEnd(13)}WHY, AND WHAT ENABLES IT`,
    options,
  );
  const rows = sources.flatMap((source) => formatSource(source, width, options));
  const nameWidth = Math.max(...facts.map(({ name }) => name.length)) + 2;
  const machine = facts.flatMap((fact) =>
    hanging(fact.name.padEnd(nameWidth), factText(fact), width, options),
  );
  return [heading, ...rows, "", paint("bold", "MACHINE", options), ...machine];
}

function formatSource(
  { record, note }: CheckedSource,
  width: number,
  options: LineOptions,
): readonly string[] {
  const start = `${record.source.padEnd(12)}${stateText(record, options).padEnd(13)}`;
  return hanging(start, record.reason ?? note, width, options);
}

function stateText({ state, reason }: SourceRecord, options: LineOptions): string {
  switch (state) {
    case "up":
      return `${sign("up", options)} up`;
    case "down":
      return reason === null
        ? `${sign("away", options)} no answer`
        : `${sign("down", options)} down`;
    case "blind":
      return sign("blind", options) === "blind" ? "blind" : `${sign("blind", options)} blind`;
    case "unavailable":
      return `${sign("away", options)} not here`;
  }
}

/** Text behind a fixed start, its later lines indented below it. */
function hanging(
  start: string,
  text: string,
  width: number,
  options: LineOptions,
): readonly string[] {
  const room = Math.max(16, width - start.length);
  return wrapText(text, room, 0, options).map((line, index) =>
    `${index === 0 ? start : " ".repeat(start.length)}${line}`.trimEnd(),
  );
}

function factText({ value }: EnvironmentFact): string {
  if (value === null) return "unknown";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return safeText(String(value), { unicode: true });
}

function jsonDoctor(sources: readonly CheckedSource[], facts: readonly EnvironmentFact[]): object {
  return {
    items: sources.map(({ record, note }) => ({ ...record, note })),
    machine: Object.fromEntries(facts.map(({ name, value }) => [name.replaceAll(" ", "_"), value])),
  };
}
