import { daysSince1970 } from "../std/calendar.ts";

/** Microseconds per second. */
export const SECOND = 1_000_000;

/**
 * A moment in this boot. `monotonicMicroseconds` orders evidence; `wallMicroseconds` is for people and is fixed at
 * the edge, so a later step of the wall clock never rewrites history.
 */
export interface Instant {
  /** CLOCK_MONOTONIC, µs since boot. */
  readonly monotonicMicroseconds: number;
  /** Wall clock, µs since 1970-01-01 UTC. */
  readonly wallMicroseconds: number;
  /** The true instant lies within ± this many µs; 0 when the kernel stamped it with CLOCK_MONOTONIC itself. */
  readonly uncertaintyMicroseconds: number;
}

/** An instant as the contract prints it: `2026-11-20T23:10:05.123456Z`. */
export function formatInstant(instant: Instant): string {
  return formatWall(instant.wallMicroseconds);
}

/** µs since 1970 → RFC 3339 with six decimals. */
export function formatWall(wallMicroseconds: number): string {
  const seconds = Math.floor(wallMicroseconds / SECOND);
  const fraction = String(wallMicroseconds - seconds * SECOND).padStart(6, "0");
  return `${isoSeconds(seconds)}.${fraction}Z`;
}

/** Seconds since 1970 → `YYYY-MM-DDTHH:MM:SS`, without the Date object: the core may not know the time. */
function isoSeconds(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const rest = seconds - days * 86_400;
  const [year, month, day] = civil(days);
  const two = (value: number) => String(value).padStart(2, "0");
  const clock = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60, rest % 60].map(two).join(":");
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${clock}`;
}

/** Days since 1970-01-01 → [year, month, day]; Howard Hinnant's `civil_from_days`. */
function civil(days: number): [number, number, number] {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthPart = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthPart + 2) / 5) + 1;
  const month = monthPart < 10 ? monthPart + 3 : monthPart - 9;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day];
}

const FORMATTED = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{6})Z$/;

/** The inverse of `formatWall`: µs since 1970; `null` for any other text. */
export function parseFormattedWall(text: string): number | null {
  const match = FORMATTED.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0] = match
    .slice(1)
    .map(Number);
  const seconds = ((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
  return seconds * SECOND + fraction;
}
