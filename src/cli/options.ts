import { InvalidArgumentError } from "commander";
import type { HttpAddress } from "../host/http-listen.ts";
import type { RecordFilter } from "../sinks/record-filter.ts";
import { parseTimeBound } from "../sinks/time-bound.ts";
import { CliError } from "./errors.ts";

/** What commander hands over, not yet believed. */
export type RawOptions = Readonly<Record<string, unknown>>;

export function textOption(options: RawOptions, name: string): string | null {
  const value = options[name];
  return typeof value === "string" ? value : null;
}

export function numberOption(options: RawOptions, name: string): number | null {
  const value = options[name];
  return typeof value === "number" ? value : null;
}

export function flagOption(options: RawOptions, name: string): boolean {
  return options[name] === true;
}

/** `--container`, `--pod`, `--namespace`, `--invisible`: whose records are wanted. */
export function filterOption(options: RawOptions): RecordFilter {
  const container = textOption(options, "container") || null;
  const pod = textOption(options, "pod") || null;
  const namespace = textOption(options, "namespace") || null;
  return {
    ...(container !== null && { container }),
    ...(pod !== null && { pod }),
    ...(namespace !== null && { namespace }),
    ...(flagOption(options, "invisible") && { invisible: true }),
  };
}

export function requiredNumber(options: RawOptions, name: string): number {
  const value = numberOption(options, name);
  if (value === null) throw new CliError("E_USAGE", `--${name} needs a number`);
  return value;
}

/** A whole number from 1 up. */
export function parseCount(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) {
    throw new InvalidArgumentError("Give a whole number from 1 up.");
  }
  return Number(text);
}

/** Seconds, also fractions; more than 0. */
export function parseSeconds(text: string): number {
  const seconds = /^[0-9]{1,8}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : 0;
  if (seconds <= 0) throw new InvalidArgumentError("Give seconds, for instance 30 or 0.5.");
  return seconds;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

/** `256MiB`, `1G`, `1048576`: bytes; all units are powers of 1024. */
export function parseSize(text: string): number {
  const parts = /^([0-9]{1,15})\s*([kmgt]?)(?:i?b)?$/i.exec(text);
  const unit = SIZE_UNITS[(parts?.[2] ?? "").toLowerCase()];
  const bytes = Number(parts?.[1] ?? 0) * (unit ?? 0);
  if (bytes < 2 ** 20) throw new InvalidArgumentError("Give a size from 1MiB up, such as 256MiB.");
  return bytes;
}

/** `127.0.0.1:9137`, `[::1]:9137`, `:9137` (every address), `unix:/run/oomwitness.sock`. Port 0 takes any free one. */
export function parseListen(text: string): HttpAddress {
  if (text.startsWith("unix:")) return { kind: "unix", path: parsePath(text.slice(5)) };
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(parts?.[3] ?? -1);
  if (parts === null || port > 65_535) {
    throw new InvalidArgumentError(
      "Give ADDRESS:PORT, such as 127.0.0.1:9137 or [::1]:9137, or unix:PATH.",
    );
  }
  return { kind: "tcp", address: parts[1] ?? (parts[2] || "0.0.0.0"), port };
}

/** An age (`30m`, `1h30m`, `7d`) or an RFC 3339 moment; → µs since 1970. */
export function parseMoment(text: string, nowMicroseconds: number): number {
  const moment = parseTimeBound(text, nowMicroseconds);
  if (moment !== null) return moment;
  throw new CliError(
    "E_USAGE",
    `'${text}' is no moment: give an age such as 30m, 2h or 7d, or 2026-11-20T23:10:05Z.`,
  );
}

/** A node name as it may stand in labels and paths. */
export function parseNode(text: string): string {
  if (!/^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError("Give a host name: letters, digits, '.', '_' and '-'.");
  }
  return text;
}

/** Namespaces of containerd, separated by commas (containerd allows letters, digits, '.', '_' and '-'). */
export function parseNamespaces(text: string): string[] {
  const names = text.split(",").filter((name) => name !== "");
  if (names.length === 0 || names.length > 20 || !names.every(isNamespace)) {
    throw new InvalidArgumentError("Give names of namespaces, separated by commas.");
  }
  return names;
}

function isNamespace(name: string): boolean {
  return /^[A-Za-z0-9]([A-Za-z0-9._-]{0,74}[A-Za-z0-9])?$/.test(name);
}

/** An absolute path. */
export function parsePath(text: string): string {
  if (!text.startsWith("/") || text.includes("\0")) {
    throw new InvalidArgumentError("Give an absolute path.");
  }
  return text.length > 1 ? text.replace(/\/+$/, "") : text;
}
