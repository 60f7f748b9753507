import type { ExitRecord, KillRecord } from "../model/record.ts";
import type { StoreReader } from "../sinks/store-read.ts";
import { type LineOptions, localText } from "../sinks/terminal-style.ts";
import {
  bytesText,
  compactPath,
  exitOwnerOf,
  ownerOf,
  seenText,
  verdictText,
  victimText,
  whyText,
} from "../sinks/terminal-words.ts";
import { localOffsetMinutes } from "./console.ts";
import type { Context } from "./environment.ts";
import { CliError, type ExitStatus } from "./errors.ts";
import {
  filterOption,
  flagOption,
  parseMoment,
  type RawOptions,
  requiredNumber,
  textOption,
} from "./options.ts";
import { bootPrefix, withStore } from "./stored.ts";
import { formatTable, type TableColumn } from "./table.ts";

const PAGE = 500;
/** From this width on a table says why and by whom as well. */
const WIDE = 110;

/** `oomwitness list`: recorded kills, or exits, newest first. */
export async function run(context: Context, options: RawOptions): Promise<ExitStatus> {
  return flagOption(options, "exits") ? listExits(context, options) : listKills(context, options);
}

function listKills(context: Context, options: RawOptions): ExitStatus {
  const filter = filterOption(options);
  const kills = withStore(context, options, (store) =>
    readAll(context, options, (page) => store.kills({ ...page, filter })),
  );
  print(context, options, kills, (lines) => formatKills(kills, bootPrefix(context), lines));
  if (kills.length > 0) return 0;
  context.console.error(
    "oomwitness: no such kill recorded in that time: try a longer --since, or 'oomwitness selftest'",
  );
  return 1;
}

function listExits(context: Context, options: RawOptions): ExitStatus {
  const { invisible, ...filter } = filterOption(options);
  if (invisible === true) {
    throw new CliError("E_USAGE", "--invisible is of kills: leave it or --exits out.");
  }
  const exits = withStore(context, options, (store) =>
    readAll(context, options, (page) => store.exits({ ...page, filter })),
  );
  print(context, options, exits, (lines) => formatExits(exits, lines));
  if (exits.length > 0) return 0;
  context.console.error(
    "oomwitness: no such exit of a container recorded in that time: try a longer --since",
  );
  return 1;
}

function print(
  { console }: Context,
  options: RawOptions,
  records: readonly object[],
  format: (lines: LineOptions) => readonly string[],
): void {
  if (flagOption(options, "json")) {
    for (const record of records) console.write(`${JSON.stringify(record)}\n`);
  } else if (records.length > 0) {
    const { colour, unicode } = console;
    const width = console.size().columns;
    const lines = format({ colour, unicode, width, offsetMinutes: localOffsetMinutes });
    console.write(`${lines.join("\n")}\n`);
  }
}

type PageQuery = Pick<Parameters<StoreReader["kills"]>[0], "since" | "until" | "limit" | "cursor">;

/** Page after page, until there are as many as were asked for. */
function readAll<T>(
  context: Context,
  options: RawOptions,
  ask: (page: PageQuery) => { readonly items: readonly T[]; readonly next: string | null },
): readonly T[] {
  const now = context.host.clock.wallMicroseconds();
  const moment = (name: string) => {
    const text = textOption(options, name);
    return text === null ? null : parseMoment(text, now);
  };
  const limit = requiredNumber(options, "limit");
  const [since, until] = [moment("since"), moment("until")];
  const found: T[] = [];
  let cursor: string | null = null;
  do {
    const page = ask({ since, until, limit: Math.min(PAGE, limit - found.length), cursor });
    found.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && found.length < limit);
  return found;
}

/** A column and its cells; `null` where the width has no room for it. */
type Part = readonly [TableColumn, readonly string[]] | null;

/** The table of `list`; ids of this boot without the boot's part, as `show` takes them. */
export function formatKills(
  kills: readonly KillRecord[],
  boot: string | null,
  options: LineOptions,
): readonly string[] {
  const wide = options.width === null || options.width >= WIDE;
  const cells = (cell: (kill: KillRecord) => string) => kills.map(cell);
  const victims = cells(victimText);
  // Outside containers the column would be empty; in them it says more than the memory, which is near the limit.
  const inContainers = victims.some((text) => text !== "");
  return formatParts(
    [
      [{ heading: "ID", limit: 20 }, cells(({ id }) => withoutBoot(id, boot))],
      [{ heading: "TIME" }, cells(({ at }) => timeText(at, options))],
      [{ heading: "PROCESS", limit: wide ? 24 : 16 }, cells(processOf)],
      inContainers ? [{ heading: "VICTIM" }, victims] : null,
      wide || !inContainers
        ? [{ heading: "MEMORY", right: true }, cells((kill) => bytesText(kill.victim.anonRssBytes))]
        : null,
      [{ heading: "LIMIT", right: true }, cells((kill) => bytesText(kill.limit.bytes))],
      wide ? [{ heading: "WHY" }, cells(whyText)] : null,
      wide ? [{ heading: "SEEN" }, cells((kill) => seenText(kill, options))] : null,
      [{ heading: "WHOSE" }, cells((kill) => ownerText(ownerOf(kill), options))],
    ],
    options,
  );
}

/** The table of `list --exits`. */
export function formatExits(exits: readonly ExitRecord[], options: LineOptions): readonly string[] {
  const wide = options.width === null || options.width >= WIDE;
  const cells = (cell: (exit: ExitRecord) => string) => exits.map(cell);
  return formatParts(
    [
      [{ heading: "TIME" }, cells(({ at }) => timeText(at, options))],
      [{ heading: "EXIT", right: true }, cells(({ exitCode }) => String(exitCode ?? "?"))],
      [{ heading: "VERDICT" }, cells(verdictText)],
      wide
        ? [
            { heading: "RESTARTS", right: true },
            cells((exit) => String(exit.container.restarts ?? "?")),
          ]
        : null,
      wide ? [{ heading: "CONTAINER" }, cells(({ container }) => container.id.slice(0, 12))] : null,
      [{ heading: "WHOSE" }, cells((exit) => ownerText(exitOwnerOf(exit), options))],
    ],
    options,
  );
}

function formatParts(parts: readonly Part[], options: LineOptions): readonly string[] {
  const shown = parts.filter((part) => part !== null);
  const rows = (shown[0]?.[1] ?? []).map((_, index) =>
    shown.map(([, cells]) => cells[index] ?? ""),
  );
  return formatTable(
    shown.map(([column]) => column),
    rows,
    options,
  );
}

function withoutBoot(id: string, boot: string | null): string {
  return boot !== null && id.startsWith(boot) ? id.slice(boot.length) : id;
}

function timeText(at: string, options: LineOptions): string {
  return localText(at, options)?.slice(5, 19) ?? at;
}

function ownerText(owner: string, options: LineOptions): string {
  return options.width === null || !owner.startsWith("/") ? owner : compactPath(owner);
}

function processOf(kill: KillRecord): string {
  const number = kill.victim.pid ?? kill.victim.tid;
  return `${kill.victim.comm ?? "?"}${number === null ? "" : `[${number}]`}`;
}
