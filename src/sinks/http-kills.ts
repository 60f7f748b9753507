import { HostError } from "../host/host.ts";
import type { HttpReply, TextReply } from "../host/http.ts";
import { errorReply, jsonReply } from "./http-reply.ts";
import { slicedReply } from "./http-slices.ts";
import type { OwnerFilter } from "./record-filter.ts";
import type { ExitQuery } from "./store-exits.ts";
import { explainedKill } from "./store-explanation.ts";
import { type KillQuery, PAGE_LIMIT, type RecordLog } from "./store-read.ts";
import { parseTimeBound } from "./time-bound.ts";

const DEFAULT_LIMIT = 100;

/** A mistake of the caller, found while reading parameters. */
interface Mistake {
  readonly code: string;
  readonly message: string;
}

type Parsed<T> = { readonly value: T } | { readonly mistake: Mistake };

/** `GET /api/v1/kills?since=15m&until=…&limit=100&cursor=…` */
export function killsRoute(log: RecordLog, parameters: URLSearchParams, now: number): HttpReply {
  const query = parseKillQuery(parameters, now);
  if ("mistake" in query) return errorReply(400, query.mistake.code, query.mistake.message);
  return {
    kind: "long",
    begin: () => guarded(() => slicedReply(log.killTexts, query.value, isStored(log))),
  };
}

/** `GET /api/v1/exits?since=15m&pod=cart-0` */
export function exitsRoute(log: RecordLog, parameters: URLSearchParams, now: number): HttpReply {
  const query = parsePage(parameters, now, OWNER_PARAMETERS);
  if ("mistake" in query) return errorReply(400, query.mistake.code, query.mistake.message);
  const exits: ExitQuery = { ...query.value, filter: ownerFilter(parameters) };
  return {
    kind: "long",
    begin: () => guarded(() => slicedReply(log.exitTexts, exits, isStored(log))),
  };
}

/** `GET /api/v1/kills/:id`: an id, or the beginning of one that only one kill has; the kill with its explanation. */
export function killRoute(log: RecordLog, idOrPrefix: string): HttpReply {
  return { kind: "long", begin: () => guarded(() => oneKill(log, idOrPrefix)) };
}

function oneKill(log: RecordLog, idOrPrefix: string): TextReply {
  const found = log.kill(idOrPrefix);
  switch (found.kind) {
    case "found":
      return jsonReply(200, explainedKill(log, found.record));
    case "none":
      return errorReply(
        404,
        "no-such-kill",
        "No kill has this id: see /api/v1/kills for those that are kept.",
      );
    case "ambiguous":
      return errorReply(
        400,
        "ambiguous-id",
        `Several kills begin with this id, give more of it: ${found.ids.join(", ")}.`,
      );
  }
}

function isStored(log: RecordLog): boolean {
  return log.isStored?.() ?? true;
}

function guarded(work: () => TextReply): TextReply {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code === "BAD_CURSOR") {
      return errorReply(
        400,
        "bad-cursor",
        "The cursor is not one this server gave: pass the 'next' of the page before as it came.",
      );
    }
    return errorReply(
      503,
      "store-unavailable",
      `The records cannot be read now, try again later: ${error.message}.`,
      {
        "retry-after": "5",
      },
    );
  }
}

const PAGE_PARAMETERS = ["since", "until", "limit", "cursor"];
const OWNER_PARAMETERS = ["container", "pod", "namespace"];

type PageQuery = Pick<KillQuery, "since" | "until" | "limit" | "cursor">;

function parseKillQuery(parameters: URLSearchParams, now: number): Parsed<KillQuery> {
  const page = parsePage(parameters, now, [...OWNER_PARAMETERS, "invisible"]);
  if ("mistake" in page) return page;
  const invisible = parseInvisible(parameters.get("invisible"));
  if ("mistake" in invisible) return invisible;
  const filter = { ...ownerFilter(parameters), invisible: invisible.value };
  return { value: { ...page.value, filter } };
}

function parsePage(
  parameters: URLSearchParams,
  now: number,
  others: readonly string[],
): Parsed<PageQuery> {
  const strange = strangeParameter(parameters, [...PAGE_PARAMETERS, ...others]);
  if (strange !== null) return { mistake: strange };
  const since = parseBound("since", parameters.get("since"), now);
  if ("mistake" in since) return since;
  const until = parseBound("until", parameters.get("until"), now);
  if ("mistake" in until) return until;
  const limit = parseLimit(parameters.get("limit"));
  if ("mistake" in limit) return limit;
  const cursor = parameters.get("cursor");
  return { value: { since: since.value, until: until.value, limit: limit.value, cursor } };
}

function ownerFilter(parameters: URLSearchParams): OwnerFilter {
  const given = OWNER_PARAMETERS.flatMap((name) => {
    const value = parameters.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return Object.fromEntries(given);
}

function parseInvisible(text: string | null): Parsed<boolean> {
  if (text === null || text === "false") return { value: false };
  if (text === "true") return { value: true };
  const message = "'invisible' must be true or false.";
  return { mistake: { code: "bad-invisible", message } };
}

/** A misspelt parameter would silently answer another question. */
export function strangeParameter(
  parameters: URLSearchParams,
  known: readonly string[],
): Mistake | null {
  for (const name of new Set(parameters.keys())) {
    if (!known.includes(name)) {
      const may = known.length === 0 ? "it takes none" : `use ${known.join(", ")}`;
      return { code: "unknown-parameter", message: `A parameter is not known here: ${may}.` };
    }
    if (parameters.getAll(name).length > 1) {
      return {
        code: "repeated-parameter",
        message: `Parameter '${name}' is given twice: give it once.`,
      };
    }
  }
  return null;
}

function parseBound(name: string, text: string | null, now: number): Parsed<number | null> {
  if (text === null) return { value: null };
  const value = parseTimeBound(text, now);
  if (value !== null) return { value };
  const message = `'${name}' must be a time such as 2026-11-20T23:10:05Z or a duration such as 15m, 2h or 7d.`;
  return { mistake: { code: `bad-${name}`, message } };
}

function parseLimit(text: string | null): Parsed<number> {
  if (text === null) return { value: DEFAULT_LIMIT };
  const value = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= PAGE_LIMIT) return { value };
  return {
    mistake: {
      code: "bad-limit",
      message: `'limit' must be a whole number from 1 to ${PAGE_LIMIT}.`,
    },
  };
}
