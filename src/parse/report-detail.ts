/**
 * The lines of a report that only describe (facts 1.2 … 1.4):
 *
 *     memory: usage 20480kB, limit 20480kB, failcnt 23
 *     Memory cgroup stats for /leaker: cache:80KB rss:516948KB rss_huge:0KB …      … 5.2, one a cgroup
 *     Memory cgroup stats for /leaker:                                              5.3 …, then `anon 534147072`
 *     active_anon:14016 inactive_anon:14053 isolated_anon:0                         pages
 *     Node 0 DMA32 free:1636kB boost:0kB min:2636kB low:3296kB high:3956kB …
 *     lowmem_reserve[]: 0 3512 16137 16137
 *     Node 0 DMA32: 1*4kB (M) 0*8kB … = 1660kB
 *     CPU: 1 UID: 0 PID: 946 Comm: test_memcontrol Not tainted 6.14.0-rc5-next-20250303 #1
 */
import type { Usage } from "../model/report.ts";

export type UsageName = "memory" | "swap" | "memorySwap" | "kernelMemory";

export type Values = Readonly<Record<string, number>>;

export interface ZoneLine {
  readonly kind: "zone";
  readonly node: number;
  readonly name: string;
  /** Bytes. */
  readonly values: Values;
}

export type DetailLine =
  | { readonly kind: "usage"; readonly name: UsageName; readonly usage: Usage }
  | { readonly kind: "stats"; readonly path: string; readonly values: Values }
  | { readonly kind: "stat"; readonly key: string; readonly value: number }
  | { readonly kind: "stack"; readonly pid: number; readonly commAndMore: string }
  | { readonly kind: "memcg-frame" }
  | { readonly kind: "release"; readonly release: string }
  | { readonly kind: "mem-info" }
  /** Pages. */
  | { readonly kind: "counters"; readonly values: Values }
  | ZoneLine
  | { readonly kind: "reserve"; readonly pages: readonly number[] }
  | {
      readonly kind: "buddy";
      readonly node: number;
      readonly name: string;
      readonly pageBytes: number;
      readonly blocks: readonly number[];
    }
  | { readonly kind: "huge-pages"; readonly bytes: number }
  | { readonly kind: "pages"; readonly what: "ram" | "reserved" | "cache"; readonly count: number }
  | { readonly kind: "swap"; readonly what: "free" | "total"; readonly bytes: number }
  | { readonly kind: "slab-start" }
  | {
      readonly kind: "slab";
      readonly name: string;
      readonly usedBytes: number;
      readonly totalBytes: number;
    };

export function parseDetailLine(text: string): DetailLine | null {
  const first = text.charCodeAt(0);
  if (first >= 48 && first <= 57) return pageCount(text);
  return (
    usage(text) ?? byWord(text) ?? counters(text) ?? stat(text) ?? slab(text) ?? memcgFrame(text)
  );
}

/**
 * Not those with a `?`: what the stack holds of an earlier call. All have returned before the machine's turn comes, and what
 * reclaims for a cgroup (≤ 3.18 `__mem_cgroup_try_charge`) may not call the machine's killer (PF_MEMALLOC).
 */
const MEMCG_FRAME =
  /^\s{0,8}(?:\[<[0-9a-f]{8,16}>\] {1,4})?(?:mem_cgroup_(?:out_of_memory|oom_synchronize)|__mem_cgroup_try_charge)\+0x/;

function memcgFrame(text: string): DetailLine | null {
  return MEMCG_FRAME.test(text) ? { kind: "memcg-frame" } : null;
}

const USAGE =
  /^(memory|swap|memory\+swap|kmem): usage (\d{1,20})kB, limit (\d{1,20})kB(?:, failcnt (\d{1,20}))?/;
const USAGE_NAMES: Readonly<Record<string, UsageName>> = {
  memory: "memory",
  swap: "swap",
  "memory+swap": "memorySwap",
  kmem: "kernelMemory",
};
/** "No limit" is the largest whole number of pages, in kB: 9007199254740988 with 4 KiB pages, 18014398509481983 before 4.0. */
const UNLIMITED_KILOBYTES = 9_007_199_254_700_000;

function usage(text: string): DetailLine | null {
  const match = USAGE.exec(text);
  const name = USAGE_NAMES[match?.[1] ?? ""];
  if (match === null || name === undefined) return null;
  const limit = Number(match[3]);
  return {
    kind: "usage",
    name,
    usage: {
      usageBytes: Number(match[2]) * 1024,
      limitBytes: limit >= UNLIMITED_KILOBYTES ? null : limit * 1024,
      failCount: match[4] === undefined ? null : Number(match[4]),
    },
  };
}

function byWord(text: string): DetailLine | null {
  switch (text.charAt(0)) {
    case "M":
      return /^Mem-[Ii]nfo:/.test(text) ? { kind: "mem-info" } : stats(text);
    case "C":
    case "P":
      return stack(text);
    case "L":
      return bootLine(text);
    case "l":
      return reserve(text);
    case "F":
    case "T":
      return swap(text);
    case "U":
      return text.startsWith("Unreclaimable slab info:") ? { kind: "slab-start" } : null;
    case "N":
    case "D":
    case "H":
      return zone(text) ?? buddy(text) ?? hugePages(text);
    default:
      return null;
  }
}

function stats(text: string): DetailLine | null {
  const match = /^Memory cgroup stats for (\/[^\n]{0,4000}?):(?: |$)/.exec(text);
  if (match === null) return null;
  return { kind: "stats", path: match[1] ?? "", values: pairs(text.slice(match[0].length)) };
}

/** `cache:80KB rss_huge:0KB swap:0`: what has a unit in bytes. */
function pairs(text: string): Values {
  const values: Record<string, number> = {};
  for (const [, key = "", digits, unit] of text.matchAll(
    /([a-z][\w()]{0,40}): ?(\d{1,18})(k?K?B)?/g,
  )) {
    values[key] = Number(digits) * (unit === undefined ? 1 : 1024);
  }
  return values;
}

function stat(text: string): DetailLine | null {
  const match = /^([a-z][a-z0-9_.]{1,40}) (\d{1,20})\s*$/.exec(text);
  return match === null ? null : { kind: "stat", key: match[1] ?? "", value: Number(match[2]) };
}

const STACK = /^(?:CPU: \d+ (?:UID: \d+ )?PID: (\d{1,10}) Comm: |Pid: (\d{1,10}), comm: )/;

function stack(text: string): DetailLine | null {
  const match = STACK.exec(text);
  if (match === null) return null;
  const commAndMore = text.slice(match[0].length);
  return { kind: "stack", pid: Number(match[1] ?? match[2]), commAndMore };
}

/** `Not tainted 6.14.0-rc5 #1`, `Tainted: G W OE 5.8.2-default #1`; `null` when it is cut off. */
export function releaseOf(commAndMore: string): string | null {
  const at = commAndMore.search(/(?:Not t|T)ainted/);
  if (at < 0) return null;
  return /\s(\d{1,3}\.\d{1,3}\S{0,80})(?:\s|$)/.exec(commAndMore.slice(at, at + 400))?.[1] ?? null;
}

function bootLine(text: string): DetailLine | null {
  const release = /^Linux version (\d\S{0,80})/.exec(text)?.[1];
  return release === undefined ? null : { kind: "release", release };
}

function reserve(text: string): DetailLine | null {
  if (!text.startsWith("lowmem_reserve[]:")) return null;
  const pages = [...text.slice(17).matchAll(/\d{1,15}/g)].slice(0, 16).map(Number);
  return { kind: "reserve", pages };
}

function swap(text: string): DetailLine | null {
  const match = /^(Free|Total) swap(?: *=|:) *(\d{1,15})kB/.exec(text);
  if (match === null) return null;
  const what = match[1] === "Free" ? "free" : "total";
  return { kind: "swap", what, bytes: Number(match[2]) * 1024 };
}

const ZONE = /^(?:Node (\d{1,5}) )?(DMA|DMA32|Normal|HighMem|Movable|Device) free:\d+kB /;

function zone(text: string): DetailLine | null {
  const match = ZONE.exec(text);
  if (match === null) return null;
  const values = pairs(text.slice(match[0].search(/free:/)));
  return { kind: "zone", node: Number(match[1] ?? 0), name: match[2] ?? "", values };
}

const BUDDY =
  /^(?:Node (\d{1,5}) )?(DMA|DMA32|Normal|HighMem|Movable|Device): (?=\d+\*(\d{1,6})kB)/;

function buddy(text: string): DetailLine | null {
  const match = BUDDY.exec(text);
  if (match === null) return null;
  const counts = text.slice(match[0].length).matchAll(/(\d{1,10})\*\d{1,10}kB/g);
  return {
    kind: "buddy",
    node: Number(match[1] ?? 0),
    name: match[2] ?? "",
    pageBytes: Number(match[3]) * 1024,
    blocks: [...counts].slice(0, 32).map(([, count]) => Number(count)),
  };
}

function hugePages(text: string): DetailLine | null {
  const match = /^Node \d{1,5} hugepages_total=(\d{1,12}) .*hugepages_size=(\d{1,10})kB/.exec(text);
  if (match === null) return null;
  return { kind: "huge-pages", bytes: Number(match[1]) * Number(match[2]) * 1024 };
}

const PAGES =
  /^(\d{1,15}) (pages of RAM|pages RAM|pages reserved|reserved pages|total pagecache pages)/;

function pageCount(text: string): DetailLine | null {
  const match = PAGES.exec(text);
  if (match === null) return null;
  const words = match[2] ?? "";
  const what = words.includes("RAM") ? "ram" : words.includes("reserved") ? "reserved" : "cache";
  return { kind: "pages", what, count: Number(match[1]) };
}

const COUNTERS =
  /^(?:active_anon|active_file|unevictable|slab_reclaimable|mapped|sec_pagetables|kernel_misc_reclaimable|free|anon_thp):\d/;

function counters(text: string): DetailLine | null {
  if (!COUNTERS.test(text) || /\dkB/.test(text)) return null;
  return { kind: "counters", values: pairs(text) };
}

function slab(text: string): DetailLine | null {
  const match = /^(\S{1,64}) +(\d{1,15})KB +(\d{1,15})KB\s*$/.exec(text);
  if (match === null) return null;
  return {
    kind: "slab",
    name: match[1] ?? "",
    usedBytes: Number(match[2]) * 1024,
    totalBytes: Number(match[3]) * 1024,
  };
}
