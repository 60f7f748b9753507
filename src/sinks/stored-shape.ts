import * as z from "zod/mini";

/**
 * What comes from a file is checked before it is taken for anything. Members that a check does not name are left alone, so
 * that a file of another version can be read.
 */
export type Check = z.ZodMiniType;

export const text = z.string();
export const number = z.number();
export const whole = z.int();
export const flag = z.boolean();
export const orNull = (check: Check): Check => z.nullable(check);
export const orMissing = (check: Check): Check => z.optional(check);
export const oneOf = (...words: readonly (string | number | null)[]): Check => z.literal(words);
export const listOf = (check: Check): Check => z.array(check);
/** An object whose members, whatever their names, all fit. */
export const mapOf = (check: Check): Check => z.record(z.string(), check);
export const shape = (checks: Readonly<Record<string, Check>>): Check => z.looseObject(checks);

export function fits(check: Check, value: unknown): boolean {
  return z.safeParse(check, value).success;
}

/** `null` when it is no JSON text. */
export function parsedJson(json: unknown): unknown {
  if (typeof json !== "string") return null;
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
