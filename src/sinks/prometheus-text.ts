import type { SeriesCount } from "./sink.ts";

/**
 * The text exposition format 0.0.4:
 *
 *     # HELP oomwitness_kills_total Processes killed by the OOM killer.
 *     # TYPE oomwitness_kills_total counter
 *     oomwitness_kills_total{namespace="shop",pod="cart-0",container="api",scope="container"} 3
 */

/** UTF-16 units of a label value; Kubernetes names have at most 253. */
const VALUE_LIMIT = 256;

const SPECIAL = /[\\"\n]/g;

/** A label value from outside, between quotes: one line, well-formed, short, and still distinct from other values. */
export function labelValue(value: string): string {
  return boundedValue(value).replace(SPECIAL, escapeSpecial);
}

/** The same before it is escaped: what a counter keeps of a name. Bounding it again changes nothing. */
export function boundedValue(value: string): string {
  const cut = value.length > VALUE_LIMIT ? cutAtCodePoint(value, VALUE_LIMIT - 9) : value;
  const clean = cut.toWellFormed();
  // What was changed keeps a trace of what it was: two series must not become one, or the scrape is refused.
  return clean === value ? clean : `${clean}~${hash(value)}`;
}

function cutAtCodePoint(value: string, units: number): string {
  const last = value.charCodeAt(units - 1);
  const splits = last >= 0xd800 && last <= 0xdbff;
  return value.slice(0, splits ? units - 1 : units);
}

/** FNV-1a of the UTF-16 units, 8 hexadecimal digits. */
function hash(value: string): string {
  let state = 0x811c9dc5;
  for (let index = 0; index < value.length; index += 1) {
    state = Math.imul(state ^ value.charCodeAt(index), 0x01000193);
  }
  return (state >>> 0).toString(16).padStart(8, "0");
}

function escapeSpecial(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}

/** `{a="1",b="2"}` in the order given; "" without labels. */
export function labelText(labels: Readonly<Record<string, string>>, names: readonly string[]) {
  if (names.length === 0) return "";
  return `{${names.map((name) => `${name}="${labelValue(labels[name] ?? "")}"`).join(",")}}`;
}

/** A label's text is made once for as long as the counter keeps its labels object. */
export class LabelCache {
  readonly #texts = new WeakMap<object, string>();

  textOf(series: SeriesCount, names: readonly string[]): string {
    const known = this.#texts.get(series.labels);
    if (known !== undefined) return known;
    const text = labelText(series.labels, names);
    this.#texts.set(series.labels, text);
    return text;
  }
}

export function sampleValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}
