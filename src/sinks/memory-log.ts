import type { KillRecord } from "../model/record.ts";
import { decodeCursor, encodeCursor, type KillCursor } from "./cursor.ts";
import { jsonLine } from "./json-line.ts";
import { recordMatches } from "./record-filter.ts";
import type { AgentView } from "./sink.ts";
import { type KillPage, type KillQuery, PAGE_LIMIT, type RecordLog } from "./store-read.ts";
import { NO_TEXTS } from "./store-texts.ts";
import { parseRfc3339 } from "./time-bound.ts";

/** History as far as the agent remembers it, for an agent without a store. */
export function createMemoryLog(view: AgentView): RecordLog {
  return {
    isStored: () => false,
    kills: (query) => pageOf(view.recentKills(), query),
    kill: (idOrPrefix) => {
      const all = view.recentKills();
      const exact = all.find(({ id }) => id === idOrPrefix);
      if (exact !== undefined) return { kind: "found", record: exact };
      const matches = idOrPrefix === "" ? [] : all.filter(({ id }) => id.startsWith(idOrPrefix));
      const [first, second] = matches;
      if (first === undefined) return { kind: "none" };
      if (second === undefined) return { kind: "found", record: first };
      return {
        kind: "ambiguous",
        ids: matches
          .map(({ id }) => id)
          .sort()
          .slice(0, 10),
      };
    },
    // Exits are kept in the store alone.
    exits: () => ({ items: [], next: null }),
    killTexts: (query) => {
      const { items, next } = pageOf(view.recentKills(), query);
      return { bytes: Buffer.from(items.map(jsonLine).join(",")), next };
    },
    exitTexts: () => NO_TEXTS,
    explanation: () => null,
    eventsAfter: () => [],
    lastSequence: () => 0,
  };
}

interface Placed extends KillCursor {
  readonly record: KillRecord;
}

/** A page of these kills, in the order and with the cursors of the store. */
export function pageOf(records: readonly KillRecord[], query: KillQuery): KillPage {
  const limit = Math.min(Math.max(1, Math.trunc(query.limit)), PAGE_LIMIT);
  const from = query.cursor === null ? null : decodeCursor(query.cursor);
  const found = records
    .map((record): Placed => ({ record, id: record.id, at: parseRfc3339(record.at) ?? 0 }))
    .filter((placed) => within(placed, query) && (from === null || newestFirst(from, placed) < 0))
    .sort(newestFirst);
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(({ record }) => record),
    next: found.length > limit && last !== undefined ? encodeCursor(last) : null,
  };
}

function within({ at, record }: Placed, { since, until, filter = {} }: KillQuery): boolean {
  if ((since !== null && at < since) || (until !== null && at >= until)) return false;
  if (filter.comm !== undefined && record.victim.comm !== filter.comm) return false;
  if (filter.pid !== undefined && record.victim.pid !== filter.pid) return false;
  if (!recordMatches(filter, record)) return false;
  return filter.cgroup === undefined || isBelow(record.cgroup.path, filter.cgroup);
}

function isBelow(path: string | null, cgroup: string): boolean {
  if (path === null) return false;
  return path === cgroup || path.startsWith(cgroup.endsWith("/") ? cgroup : `${cgroup}/`);
}

function newestFirst(left: KillCursor, right: KillCursor): number {
  if (left.at !== right.at) return right.at - left.at;
  return left.id < right.id ? 1 : left.id > right.id ? -1 : 0;
}
