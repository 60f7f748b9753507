import type { KillRecord } from "../model/record.ts";
import type { KillPage, StoreReader } from "../sinks/store-read.ts";
import { type LineOptions, localText } from "../sinks/terminal-style.ts";
import { bytesText, compactPath, ownerOf, seenText, whyText } from "../sinks/terminal-words.ts";
import { localOffsetMinutes } from "./console.ts";
import type { Context } from "./environment.ts";
import type { ExitStatus } from "./errors.ts";
import { flagOption, parseMoment, type RawOptions, requiredNumber, textOption } from "./options.ts";
import { bootPrefix, withStore } from "./stored.ts";
import { formatTable, type TableColumn } from "./table.ts";

const PAGE = 500;
/** From this width on a table says why and by whom as well. */
const WIDE = 110;

/** `oomwitness list`: recorded kills, newest first. */
export async function run(context: Context, options: RawOptions): Promise<ExitStatus> {
  const { console } = context;
  const kills = withStore(context, options, (store) => readKills(store, context, options));
  if (flagOption(options, "json")) {
    for (const kill of kills) console.write(`${JSON.stringify(kill)}\n`);
  } else if (kills.length > 0) {
    const { colour, unicode } = console;
    const width = console.size().columns;
    const lines = { colour, unicode, width, offsetMinutes: localOffsetMinutes };
    const text = formatKills(kills, bootPrefix(context), lines);
    console.write(`${text.join("\n")}\n`);
  }
  if (kills.length > 0) return 0;
  console.error(
    "oomwitness: no kill recorded in that time: try a longer --since, or 'oomwitness selftest'",
  );
  return 1;
}

function readKills(
  store: StoreReader,
  context: Context,
  options: RawOptions,
): readonly KillRecord[] {
  const now = context.host.clock.wallMicroseconds();
  const moment = (name: string) => {
    const text = textOption(options, name);
    return text === null ? null : parseMoment(text, now);
  };
  const limit = requiredNumber(options, "limit");
  const [since, until] = [moment("since"), moment("until")];
  const kills: KillRecord[] = [];
  let cursor: string | null = null;
  do {
    const wanted = Math.min(PAGE, limit - kills.length);
    const page: KillPage = store.kills({ since, until, limit: wanted, cursor });
    kills.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && kills.length < limit);
  return kills;
}

/** The table of `list`; ids of this boot without the boot's part, as `show` takes them. */
export function formatKills(
  kills: readonly KillRecord[],
  boot: string | null,
  options: LineOptions,
): readonly string[] {
  const wide = options.width === null || options.width >= WIDE;
  const columns: TableColumn[] = [
    { heading: "ID", limit: 20 },
    { heading: "TIME" },
    { heading: "PROCESS", limit: wide ? 24 : 16 },
    { heading: "MEMORY", right: true },
    { heading: "LIMIT", right: true },
    ...(wide ? [{ heading: "WHY" }, { heading: "SEEN" }] : []),
    { heading: "CGROUP" },
  ];
  const rows = kills.map((kill) => [
    boot !== null && kill.id.startsWith(boot) ? kill.id.slice(boot.length) : kill.id,
    localText(kill.at, options)?.slice(5, 19) ?? kill.at,
    processOf(kill),
    bytesText(kill.victim.anonRssBytes),
    bytesText(kill.limit.bytes),
    ...(wide ? [whyText(kill), seenText(kill, options)] : []),
    options.width === null ? ownerOf(kill) : compactPath(ownerOf(kill)),
  ]);
  return formatTable(columns, rows, options);
}

function processOf(kill: KillRecord): string {
  const number = kill.victim.pid ?? kill.victim.tid;
  return `${kill.victim.comm ?? "?"}${number === null ? "" : `[${number}]`}`;
}
