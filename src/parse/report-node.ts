import type { NodeMemory, Zone } from "../model/report.ts";
import type { DetailLine, Values, ZoneLine } from "./report-detail.ts";

interface ZoneDraft {
  readonly node: number;
  readonly name: string;
  values: Values;
  reserve: readonly number[];
  blocks: readonly number[];
}

/** More than any machine has: 1,024 nodes. */
const MAX_ZONES = 2_048;

/** Collects the `Mem-Info:` part of a report; pages become bytes at its end, when the page size is known. */
export class NodeMemoryDraft {
  readonly #counters: Record<string, number> = {};
  readonly #zones: ZoneDraft[] = [];
  #swapTotal: number | null = null;
  #swapFree: number | null = null;
  #cachePages: number | null = null;
  #ramPages: number | null = null;
  #reservedPages: number | null = null;
  #hugePages: number | null = null;
  #pageBytes: number | null = null;
  #seen = false;

  /** Told by the smallest block of a buddy list. */
  get pageBytes(): number | null {
    return this.#pageBytes;
  }

  /** Takes a line; false when it is none of this part. */
  add(line: DetailLine): boolean {
    switch (line.kind) {
      case "counters":
        Object.assign(this.#counters, line.values);
        break;
      case "zone":
        this.#zone(line);
        break;
      case "reserve":
        this.#reserve(line.pages);
        break;
      case "buddy":
        this.#pageBytes ??= line.pageBytes;
        this.#find(line.node, line.name).blocks = line.blocks;
        break;
      case "huge-pages":
        this.#hugePages = (this.#hugePages ?? 0) + line.bytes;
        break;
      case "pages":
        this.#pages(line.what, line.count);
        break;
      case "swap":
        if (line.what === "free") this.#swapFree = line.bytes;
        else this.#swapTotal = line.bytes;
        break;
      default:
        return false;
    }
    this.#seen = true;
    return true;
  }

  finish(pageBytes: number): NodeMemory | null {
    if (!this.#seen) return null;
    const pages = (count: number | null) => (count === null ? null : count * pageBytes);
    const counters = Object.entries(this.#counters).map(([key, value]) => [key, value * pageBytes]);
    return {
      counters: Object.fromEntries(counters),
      zones: this.#zones.map(finishZone),
      swapTotalBytes: this.#swapTotal,
      swapFreeBytes: this.#swapFree,
      pageCacheBytes: pages(this.#cachePages),
      usableBytes:
        this.#ramPages === null || this.#reservedPages === null
          ? null
          : pages(this.#ramPages - this.#reservedPages),
      hugePagesBytes: this.#hugePages,
    };
  }

  #pages(what: "ram" | "reserved" | "cache", count: number): void {
    if (what === "ram") this.#ramPages = count;
    else if (what === "reserved") this.#reservedPages = count;
    else this.#cachePages = count;
  }

  #zone(line: ZoneLine): void {
    this.#find(line.node, line.name).values = line.values;
  }

  #reserve(pages: readonly number[]): void {
    const zone = this.#zones.at(-1);
    if (zone !== undefined) zone.reserve = pages;
  }

  #find(node: number, name: string): ZoneDraft {
    const found = this.#zones.find((zone) => zone.node === node && zone.name === name);
    if (found !== undefined) return found;
    const zone: ZoneDraft = { node, name, values: {}, reserve: [], blocks: [] };
    if (this.#zones.length < MAX_ZONES) this.#zones.push(zone);
    return zone;
  }
}

function finishZone(zone: ZoneDraft): Zone {
  const { node, name, values, reserve, blocks } = zone;
  return {
    node,
    name,
    freeBytes: values["free"] ?? null,
    minBytes: values["min"] ?? null,
    lowBytes: values["low"] ?? null,
    highBytes: values["high"] ?? null,
    managedBytes: values["managed"] ?? null,
    lowmemReservePages: reserve,
    freeBlocks: blocks,
  };
}
