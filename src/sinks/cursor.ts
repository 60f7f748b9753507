import { HostError } from "../host/host.ts";

/** The last kill of a page. New kills come before it, so the pages after it stay as they are. */
export interface KillCursor {
  /** Wall µs of the kill. */
  readonly at: number;
  readonly id: string;
}

/** Opaque to callers, so that it may change: version, time and id, safe in a URL. */
export function encodeCursor(cursor: KillCursor): string {
  return Buffer.from(`1 ${cursor.at} ${cursor.id}`, "utf8").toString("base64url");
}

export function decodeCursor(text: string): KillCursor {
  const plain = Buffer.from(text, "base64url").toString("utf8");
  const match = /^1 (-?\d{1,16}) (.{1,200})$/s.exec(plain);
  const [, at, id] = match ?? [];
  if (at === undefined || id === undefined || encodeCursor({ at: Number(at), id }) !== text) {
    throw badCursor();
  }
  return { at: Number(at), id };
}

/** The cursor of a list whose records have no id but their place in the stream. */
export function decodeSequenceCursor(text: string): { at: number; sequence: number } {
  const { at, id } = decodeCursor(text);
  if (!/^\d{1,15}$/.test(id)) throw badCursor();
  return { at, sequence: Number(id) };
}

function badCursor(): HostError {
  return new HostError(
    "BAD_CURSOR",
    "",
    "the cursor is not one this program gave: pass the 'next' of the page before as it came",
  );
}
