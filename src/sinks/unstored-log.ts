import { HostError } from "../host/host.ts";
import type { ExitRecord } from "../model/record.ts";
import { jsonLine } from "./json-line.ts";
import { createMemoryLog, pageOf } from "./memory-log.ts";
import { recordMatches } from "./record-filter.ts";
import type { AgentView } from "./sink.ts";
import type { Store } from "./store.ts";
import type { ExitPage, ExitQuery } from "./store-exits.ts";
import type { KillPage, KillQuery, RecordLog } from "./store-read.ts";
import { parseRfc3339 } from "./time-bound.ts";

/**
 * History for who asks the agent. While records cannot be stored it is what the file still tells and what memory holds
 * beside it: the newest 1,000 kills and all that waits for the disk.
 */
export function withMemory(store: Store, view: AgentView): RecordLog {
  const memory = createMemoryLog(view);
  const kills = (query: KillQuery) =>
    store.isStored?.() === false ? mergedKills(store, view, query) : store.kills(query);
  const exits = (query: ExitQuery) =>
    store.isStored?.() === false ? mergedExits(store, query) : store.exits(query);
  return {
    isStored: () => store.problem() === null,
    kills,
    exits,
    kill: (idOrPrefix) => {
      if (store.problem() === null) return store.kill(idOrPrefix);
      const known = memory.kill(idOrPrefix);
      return known.kind === "none" ? orElse(() => store.kill(idOrPrefix), known) : known;
    },
    killTexts: (query) =>
      store.problem() === null ? store.killTexts(query) : textsOf(kills(query)),
    exitTexts: (query) =>
      store.problem() === null ? store.exitTexts(query) : textsOf(exits(query)),
    explanation: (id) => orElse(() => store.explanation(id), null),
    eventsAfter: (sequence, limit) => store.eventsAfter(sequence, limit),
    lastSequence: () => store.lastSequence(),
  };
}

function mergedKills(store: Store, view: AgentView, query: KillQuery): KillPage {
  const kept: KillPage = orElse(() => store.kills(query), { items: [], next: null });
  const newest = view.recentKills();
  const known = new Set(newest.map(({ id }) => id));
  const page = pageOf([...newest, ...kept.items.filter(({ id }) => !known.has(id))], query);
  return { items: page.items, next: page.next ?? kept.next };
}

/** Those that wait are the newest: they are told on the first page. */
function mergedExits(store: Store, query: ExitQuery): ExitPage {
  const waiting = query.cursor === null ? waitingExits(store, query) : [];
  const limit = query.limit - waiting.length;
  if (limit <= 0) return { items: waiting.slice(0, query.limit), next: null };
  const ids = new Set(waiting.map(({ id }) => id));
  const kept = orElse<ExitPage>(() => store.exits({ ...query, limit }), { items: [], next: null });
  return { items: [...waiting, ...kept.items.filter(({ id }) => !ids.has(id))], next: kept.next };
}

/** Newest first, each at its latest revision. */
function waitingExits(store: Store, { since, until, filter = {} }: ExitQuery): ExitRecord[] {
  const byId = new Map<string, ExitRecord>();
  for (const { record } of store.waiting()) if (record.type === "exit") byId.set(record.id, record);
  return [...byId.values()].reverse().filter((exit) => {
    const at = parseRfc3339(exit.at) ?? 0;
    const inTime = (since === null || at >= since) && (until === null || at < until);
    return inTime && recordMatches(filter, exit);
  });
}

function textsOf({ items, next }: KillPage | ExitPage): { bytes: Uint8Array; next: string | null } {
  return { bytes: Buffer.from(items.map((one) => jsonLine(one)).join(",")), next };
}

/** A mistake of the caller is his to know. */
function orElse<T>(ask: () => T, otherwise: T): T {
  try {
    return ask();
  } catch (error) {
    if (!(error instanceof HostError) || error.code === "BAD_CURSOR") throw error;
    return otherwise;
  }
}
