import { daysSince1970 } from "../std/calendar.ts";

const PATTERN =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * `2026-11-21T06:52:42.138943778Z`, as Go prints a time → wall µs since 1970, cut at the microsecond. `null` for anything
 * else, and for Go's zero time `0001-01-01T00:00:00Z`: it means never.
 */
export function parseRfc3339(text: string): number | null {
  const match = PATTERN.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(Number);
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31) return null;
  if (hour > 23 || minute > 59 || second > 60) return null;
  const minutes = (daysSince1970(year, month, day) * 24 + hour) * 60 + minute;
  const fraction = Number((match[7] ?? "").padEnd(6, "0").slice(0, 6));
  return ((minutes - offsetMinutes(match[8] ?? "Z")) * 60 + second) * 1_000_000 + fraction;
}

function offsetMinutes(zone: string): number {
  if (zone === "Z" || zone === "z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return zone.startsWith("-") ? -minutes : minutes;
}
