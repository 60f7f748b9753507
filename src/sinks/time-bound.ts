/** Microseconds of the units that `15m`, `1h30m`, `7d` may use. */
const UNITS: Readonly<Record<string, number>> = {
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
  w: 604_800_000_000,
};

const DURATION = /^(?:\d{1,9}[smhdw])+$/;
const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/;

/**
 * A moment as people write it: RFC 3339 (`2026-11-20T23:10:05Z`) or a duration before now (`15m`, `1h30m`, `7d`).
 * Returns wall µs since 1970, or `null` when it is neither.
 */
export function parseTimeBound(text: string, nowWallMicroseconds: number): number | null {
  const duration = parseDuration(text);
  return duration === null ? parseRfc3339(text) : nowWallMicroseconds - duration;
}

/** `15m` → µs; `null` when it is no duration. */
export function parseDuration(text: string): number | null {
  if (!DURATION.test(text)) return null;
  let total = 0;
  for (const [part] of text.matchAll(/\d+[smhdw]/g)) {
    total += Number(part.slice(0, -1)) * (UNITS[part.slice(-1)] ?? 0);
  }
  return total;
}

/** RFC 3339 → wall µs since 1970; digits beyond the microsecond are cut off. */
export function parseRfc3339(text: string): number | null {
  const match = RFC3339.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction = "", zone = "Z"] = match;
  if (!isDate(Number(year), Number(month), Number(day))) return null;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return null;
  const offset = zoneMinutes(zone);
  if (offset === null) return null;
  const whole = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute) - offset,
    Number(second),
  );
  return whole * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
}

/** Date.UTC would take 31 February as 3 March, and the years 0 to 99 as 19xx. */
function isDate(year: number, month: number, day: number): boolean {
  if (year < 100 || month < 1 || month > 12 || day < 1) return false;
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function zoneMinutes(zone: string): number | null {
  if (zone === "Z" || zone === "z") return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(4, 6));
  if (hours > 23 || minutes > 59) return null;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes);
}
