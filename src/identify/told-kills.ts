import type { SourceName } from "../model/observation.ts";
import type { KillRecord } from "../model/record.ts";
import type { Instant } from "../model/time.ts";

/** What must be remembered of a kill that was told: enough to identify it again. */
export interface ToldKill {
  readonly id: string;
  readonly at: Instant;
  readonly cgroup: KillRecord["cgroup"];
  readonly limit: KillRecord["limit"];
  readonly victim: Pick<KillRecord["victim"], "pid">;
  readonly witnesses: readonly SourceName[];
}

export function toldKill(
  { id, cgroup, limit, victim, witnesses }: KillRecord,
  at: Instant,
): ToldKill {
  return { id, at, cgroup, limit, victim: { pid: victim.pid }, witnesses };
}

/** Where a kill is filed: under its container, else under its pod, else among those of which neither is known. */
export type Shelf = `container ${string}` | `pod ${string}` | "unplaced";

interface Filed {
  readonly kill: ToldKill;
  readonly shelf: Shelf;
  /** What was last said of it. */
  readonly said: string;
}

const KEPT = 2_000;

/** The latest kills that were told, by where they happened. */
export class ToldKills {
  readonly #filed = new Map<string, Filed>();
  readonly #shelves = new Map<Shelf, Set<string>>();

  all(): IterableIterator<Filed> {
    return this.#filed.values();
  }

  get(id: string): Filed | undefined {
    return this.#filed.get(id);
  }

  on(shelf: Shelf): ToldKill[] {
    const ids = this.#shelves.get(shelf) ?? [];
    return [...ids].flatMap((id) => this.#filed.get(id)?.kill ?? []);
  }

  idsOn(shelf: Shelf): Iterable<string> {
    return this.#shelves.get(shelf) ?? [];
  }

  put(kill: ToldKill, shelf: Shelf, said: string): void {
    this.#remove(kill.id);
    this.#filed.set(kill.id, { kill, shelf, said });
    const ids = this.#shelves.get(shelf);
    if (ids === undefined) this.#shelves.set(shelf, new Set([kill.id]));
    else ids.add(kill.id);
    const oldest = this.#filed.keys().next();
    if (this.#filed.size > KEPT && oldest.done !== true) this.#remove(oldest.value);
  }

  #remove(id: string): void {
    const filed = this.#filed.get(id);
    if (filed === undefined) return;
    this.#filed.delete(id);
    const ids = this.#shelves.get(filed.shelf);
    ids?.delete(id);
    if (ids?.size === 0) this.#shelves.delete(filed.shelf);
  }
}
