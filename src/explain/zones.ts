/**
 * Zones of the page allocator (mm/page_alloc.c). A request may be served from its own zone and those below it:
 *
 *     DMA < DMA32 < Normal < HighMem < Movable
 *
 * and a zone keeps `min` for the kernel itself plus lowmem_reserve[zone asked for] for requests that have nowhere else to go.
 */
import type { Zone } from "../model/report.ts";

type ZoneName = "DMA" | "DMA32" | "Normal" | "HighMem" | "Movable";
const ORDER: readonly string[] = ["DMA", "DMA32", "Normal", "HighMem", "Movable"];

/**
 * `exhausted`: not more than the reserve; `low`: less than the kernel asks for before it gives up reclaiming (the last try
 * before a kill wants the high watermark); `fragmented`: enough, but in too small pieces; `sufficient`: it could have served.
 */
export type ZoneState = "exhausted" | "low" | "fragmented" | "sufficient" | "unknown";

export interface ServingZones {
  readonly usable: readonly Zone[];
  readonly unusable: readonly Zone[];
  /** Place of the request's zone in `lowmem_reserve[]`. */
  readonly reserveIndex: number;
}

/** Which zones may serve a request of these flags; `null` when flags or zones are not in the text. */
export function servingZones(
  zones: readonly Zone[],
  flags: readonly string[] | null,
): ServingZones | null {
  if (zones.length === 0 || flags === null) return null;
  const highest = highestZone(flags);
  const place = (zone: Zone) => ORDER.indexOf(zone.name);
  const top = ORDER.indexOf(highest);
  const usable = zones.filter((zone) => place(zone) !== -1 && place(zone) <= top);
  const names = zones.some((zone) => zone.name === "HighMem")
    ? ["DMA", "Normal", "HighMem", "Movable"]
    : ["DMA", "DMA32", "Normal", "Movable"];
  return {
    usable,
    unusable: zones.filter((zone) => !usable.includes(zone)),
    reserveIndex: Math.max(
      0,
      names.indexOf(highest === "HighMem" && !names.includes("HighMem") ? "Normal" : highest),
    ),
  };
}

/** `gfp_zone()`: the flags that name a zone. */
function highestZone(flags: readonly string[]): ZoneName {
  const has = (...names: readonly string[]) => names.some((name) => flags.includes(name));
  if (has("GFP_DMA", "__GFP_DMA")) return "DMA";
  if (has("GFP_DMA32", "__GFP_DMA32")) return "DMA32";
  if (has("GFP_HIGHUSER_MOVABLE", "GFP_TRANSHUGE", "GFP_TRANSHUGE_LIGHT")) return "Movable";
  if (has("__GFP_HIGHMEM") && has("__GFP_MOVABLE")) return "Movable";
  return has("GFP_HIGHUSER", "__GFP_HIGHMEM") ? "HighMem" : "Normal";
}

/** Whether a zone could have served `order`, as `__zone_watermark_ok` decides. */
export function zoneState(
  zone: Zone,
  reserveIndex: number,
  order: number,
  pageBytes: number,
): ZoneState {
  if (zone.freeBytes === null || zone.minBytes === null) return "unknown";
  const reserve = (zone.lowmemReservePages[reserveIndex] ?? 0) * pageBytes;
  const left = zone.freeBytes - (2 ** order - 1) * pageBytes;
  if (left <= zone.minBytes + reserve) return "exhausted";
  const pieces = order === 0 || zone.freeBlocks.slice(order).some((count) => count > 0);
  if (!pieces) return zone.freeBlocks.length === 0 ? "unknown" : "fragmented";
  return zone.highBytes !== null && left <= zone.highBytes + reserve ? "low" : "sufficient";
}
