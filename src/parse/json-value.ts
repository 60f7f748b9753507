import { shortText } from "../std/short-text.ts";

/** Reading JSON of others without believing it: each reader gives `null` for what is not there or of another type. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A JSON text; `null` when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export function objectOf(value: unknown): JsonObject | null {
  return isObject(value) ? value : null;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A member of the object itself: a label called `constructor` is a label, and no label is not a function. */
export function member(object: JsonObject | null, name: string): unknown {
  return object !== null && Object.hasOwn(object, name) ? object[name] : undefined;
}

export function objectIn(object: JsonObject | null, name: string): JsonObject | null {
  return objectOf(member(object, name));
}

/** Text that is not empty, at most so many characters of it, well-formed. */
export function textIn(object: JsonObject | null, name: string, maxLength: number): string | null {
  const value = member(object, name);
  if (typeof value !== "string" || value === "") return null;
  return shortText(value, maxLength).toWellFormed();
}

/** A whole number from 0 up that a double holds exactly. */
export function countIn(object: JsonObject | null, name: string): number | null {
  const value = member(object, name);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

export function flagIn(object: JsonObject | null, name: string): boolean | null {
  const value = member(object, name);
  return typeof value === "boolean" ? value : null;
}
