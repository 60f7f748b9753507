/**
 * The `format` file of a trace event, which says what the kernel running prints, whatever its version:
 *
 *     name: mark_victim
 *     ID: 609
 *     format:
 *     	field:int pid;	offset:8;	size:4;	signed:1;
 *     …
 *     print fmt: "pid=%d comm=%s total-vm=%lukB … oom_score_adj=%hd", REC->pid, __get_str(comm), REC->total_vm, …
 *
 * Old kernels: `print fmt: "pid=%d", REC->pid`. Source: events/oom/mark_victim/format on 5.10, 6.1 and 6.18 (facts 2).
 */

/** A field's value: numbers are scaled to bytes where the kernel prints `kB`; strings are as printed. */
export type TraceFields = ReadonlyMap<string, number | string>;

export interface BodyFormat {
  /** Names of the printed fields, in order. */
  readonly names: readonly string[];
  /** The fields, or `null` when the body does not match to its end. */
  parse(body: string): TraceFields | null;
}

interface Slot {
  readonly name: string;
  readonly kind: "decimal" | "hex" | "text";
  readonly scale: number;
}

const PRINT = /^print fmt: "((?:[^"\\]|\\.)*)"(?:,\s*([\s\S]*))?$/m;
const SPECIFIER = /%(?:%|[-+ #0]*\d*(?:hh|h|ll|l|z)?([diuxXsc]))/g;

/** Compiles the `print fmt` of a format file into a parser of the printed body; `null` when there is none to be read. */
export function parseTraceFormat(text: string): BodyFormat | null {
  const match = PRINT.exec(text);
  if (match === null) return null;
  const format = (match[1] ?? "").replace(/\\(.)/g, "$1");
  return compile(format, splitArguments(match[2] ?? "").map(argumentName));
}

function compile(format: string, names: readonly string[]): BodyFormat | null {
  const slots: Slot[] = [];
  let pattern = "^";
  let end = 0;
  for (const specifier of format.matchAll(SPECIFIER)) {
    pattern += literally(format.slice(end, specifier.index));
    end = specifier.index + specifier[0].length;
    const slot = slotOf(specifier[1], names[slots.length], format.slice(end, end + 2));
    if (specifier[1] === undefined) pattern += "%";
    else if (slot === null) return null;
    else {
      slots.push(slot);
      pattern += slot.kind === "decimal" ? "(-?\\d{1,20})" : hexOrText(slot.kind);
    }
  }
  // Greedy text and an anchored end: of two places where a string could end, the last is the kernel's.
  const regexp = new RegExp(`${pattern}${literally(format.slice(end).trimEnd())}$`);
  return {
    names: slots.map((slot) => slot.name),
    parse: (body) => fieldsOf(regexp.exec(body), slots),
  };
}

function hexOrText(kind: "hex" | "text"): string {
  return kind === "hex" ? "([\\da-fA-F]{1,16})" : "([\\s\\S]*)";
}

function slotOf(
  conversion: string | undefined,
  name: string | undefined,
  next: string,
): Slot | null {
  if (name === undefined || conversion === undefined) return null;
  const scale = next === "kB" ? 1024 : 1;
  if (conversion === "s" || conversion === "c") return { name, kind: "text", scale: 1 };
  return { name, kind: conversion === "x" || conversion === "X" ? "hex" : "decimal", scale };
}

function fieldsOf(match: RegExpExecArray | null, slots: readonly Slot[]): TraceFields | null {
  if (match === null) return null;
  const fields = new Map<string, number | string>();
  slots.forEach((slot, index) => {
    const text = match[index + 1] ?? "";
    if (slot.kind === "text") fields.set(slot.name, text);
    else fields.set(slot.name, Number.parseInt(text, slot.kind === "hex" ? 16 : 10) * slot.scale);
  });
  return fields;
}

/** `REC->pid, __get_str(comm)` → its parts; commas inside brackets do not count. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (const character of text) {
    if (character === "(" || character === "{") depth++;
    if (character === ")" || character === "}") depth--;
    if (character === "," && depth === 0) {
      parts.push(part);
      part = "";
    } else part += character;
  }
  return part.trim() === "" ? parts : [...parts, part];
}

function argumentName(text: string): string {
  return /REC->(\w+)/.exec(text)?.[1] ?? /__get_str\((\w+)\)/.exec(text)?.[1] ?? text.trim();
}

function literally(literal: string): string {
  return literal.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** A number field; `null` when it is absent or not a safe number. */
export function numberField(fields: TraceFields, name: string): number | null {
  const value = fields.get(name);
  return typeof value === "number" && Number.isSafeInteger(value) ? value : null;
}

/** A text field; `null` when it is absent. */
export function textField(fields: TraceFields, name: string): string | null {
  const value = fields.get(name);
  return typeof value === "string" ? value : null;
}
