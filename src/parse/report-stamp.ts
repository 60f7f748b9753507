/**
 * Times as logs print them, to µs since 1970 UTC. What a time leaves out, its zone and its year, the reader may know.
 *
 *     2024-06-03T08:12:41.100000000Z   2022-12-12T16:07:34,011396+01:00   2024/01/05 15:19:27   ISO 8601 and its kin
 *     Thu Dec  7 00:05:15 2017                                                                   dmesg -T
 *     Dec  7 00:05:15                                                                            syslog
 *     1670861254.011396                                                                          journalctl -o short-unix
 */
import { formatWall } from "../model/time.ts";
import { daysSince1970 } from "../std/calendar.ts";

/** What the reader of a log knows of its clock. */
export interface LogClock {
  /** Minutes east of UTC of times without a zone. */
  readonly zoneMinutes: number;
  /** No line was written later (wall µs): a time without a year is the last such one. `null`: it is no time. */
  readonly latestMicroseconds: number | null;
}

/** Nothing is known. */
export const NO_CLOCK: LogClock = { zoneMinutes: 0, latestMicroseconds: null };

const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";
const DAY_SECONDS = 86_400;

const ISO =
  /^(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)? ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?/;
const ENGLISH =
  /([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: [A-Z]{3,5})? (\d{4})/;
const SYSLOG_WITH_YEAR = /^([A-Z][a-z]{2}) +(\d{1,2}),? (\d{4}),? (\d\d):(\d\d):(\d\d)/;

const SYSLOG = /^([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?/;

/** How months begin in Russian, German, French, Spanish, Portuguese and Italian, where not as in English. */
const MONTHS_ELSEWHERE = [
  "янв ene gen",
  "фев fev fév",
  "мар mär",
  "апр abr avr",
  "мая май mai mag",
  "июн giu juin",
  "июл lug juil",
  "авг ago aoû",
  "сен set",
  "окт okt ott out",
  "ноя",
  "дек dez dic déc",
].map((names) => names.split(" "));
/** `дек 06 14:58:14`, `四 3月 18 18:47:12 2021`: a weekday, a month, a day. */
const FOREIGN = /^(\p{L}{1,4}\.?,? +)?(?:(\d{1,2})月|(\p{L}{3,5})\.?)(?= +\d{1,2},? )/u;

/** Any of the forms above at the start of the text, also in other languages; `null` for others. */
export function parseWallTime(text: string, clock: LogClock = NO_CLOCK): number | null {
  const time = parseEnglish(text, clock);
  if (time !== null) return time;
  const match = FOREIGN.exec(text.slice(0, 40));
  const month = match === null ? Number.NaN : foreignMonth(match[2], match[3] ?? "");
  if (match === null || !(month >= 1 && month <= 12)) return null;
  const name = MONTHS.slice(month * 3 - 3, month * 3);
  const english = name.charAt(0).toUpperCase() + name.slice(1);
  // A weekday tells the year, which is not looked up here: none is guessed.
  const latestMicroseconds = match[1] === undefined ? clock.latestMicroseconds : null;
  return parseEnglish(english + text.slice(match[0].length), { ...clock, latestMicroseconds });
}

function foreignMonth(digits: string | undefined, word: string): number {
  if (digits !== undefined) return Number(digits);
  const name = word.toLowerCase();
  const begin = name.slice(0, 3);
  const at = MONTHS_ELSEWHERE.findIndex((names) => names.includes(begin) || names.includes(name));
  return at < 0 ? monthNumber(begin) : at + 1;
}

function parseEnglish(text: string, clock: LogClock): number | null {
  const iso = ISO.exec(text);
  if (iso !== null) {
    const [, year, month, day, hour, minute, second, fraction, zone] = iso;
    const parts = [year, month, day, hour, minute, second ?? "0"].map(Number);
    return moment(parts, fraction, zoneMinutes(zone) ?? clock.zoneMinutes);
  }
  const english = ENGLISH.exec(text);
  if (english !== null) {
    const [, name = "", day, hour, minute, second, fraction, year] = english;
    const parts = [year, monthNumber(name), day, hour, minute, second].map(Number);
    return moment(parts, fraction, clock.zoneMinutes);
  }
  const syslog = SYSLOG_WITH_YEAR.exec(text);
  if (syslog === null) return withoutYear(text, clock);
  const [, name = "", day, year, hour, minute, second] = syslog;
  const parts = [year, monthNumber(name), day, hour, minute, second].map(Number);
  return moment(parts, undefined, clock.zoneMinutes);
}

/** A day's grace: the clock of the log's machine may be ahead of ours. */
const GRACE_MICROSECONDS = 86_400_000_000;

function withoutYear(text: string, clock: LogClock): number | null {
  const { latestMicroseconds, zoneMinutes } = clock;
  const match = SYSLOG.exec(text);
  if (match === null || latestMicroseconds === null) return null;
  const [, name = "", day, hour, minute, second, fraction] = match;
  const latest = latestMicroseconds + GRACE_MICROSECONDS;
  const thisYear = Number(formatWall(latest).slice(0, 4));
  // Eight years back there was a 29th of February.
  for (let year = thisYear; year > thisYear - 9; year--) {
    const parts = [
      year,
      monthNumber(name),
      Number(day),
      Number(hour),
      Number(minute),
      Number(second),
    ];
    if (Number(day) === 29 && monthNumber(name) === 2 && !isLeap(year)) continue;
    const wall = moment(parts, fraction, zoneMinutes);
    if (wall !== null && wall <= latest) return wall;
  }
  return null;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** `1670861254.011396` or digits alone (µs, ns, ms or s by their number). */
export function parseUnixTime(text: string): number | null {
  const parts = /^(\d{9,19})(?:\.(\d{1,9}))?$/.exec(text);
  if (parts === null) return null;
  const [, whole = "", fraction = ""] = parts;
  const microseconds = Math.floor(Number(whole) / 10 ** (whole.length - 10) / 1e-6);
  const exact = whole.length === 16 ? Number(whole) : microseconds;
  if (whole.length > 10 || fraction === "") return bounded(exact);
  return bounded(Number(whole) * 1e6 + fractionMicroseconds(fraction));
}

function monthNumber(name: string): number {
  const at = MONTHS.indexOf(name.toLowerCase());
  return at < 0 || at % 3 !== 0 ? Number.NaN : at / 3 + 1;
}

function fractionMicroseconds(digits: string | undefined): number {
  return digits === undefined ? 0 : Number(digits.slice(0, 6).padEnd(6, "0"));
}

/** `[year, month, day, hour, minute, second]` of a zone. */
function moment(
  parts: readonly number[],
  fraction: string | undefined,
  zone: number,
): number | null {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  if (!(year >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31)) return null;
  const seconds =
    daysSince1970(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
  return bounded((seconds - zone * 60) * 1e6 + fractionMicroseconds(fraction));
}

function zoneMinutes(zone: string | undefined): number | null {
  if (zone === undefined) return null;
  if (/^[A-Z]/.test(zone)) return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return zone.startsWith("-") ? -minutes : minutes;
}

function bounded(microseconds: number): number | null {
  return Number.isSafeInteger(microseconds) && microseconds >= 0 ? microseconds : null;
}
