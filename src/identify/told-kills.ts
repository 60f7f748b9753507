import type { Identity } from "../model/identity.ts";
import type { SourceName } from "../model/observation.ts";
import type { KillRecord, Visibility } from "../model/record.ts";
import type { Instant } from "../model/time.ts";

/** What must be remembered of a kill that was told: enough to identify it again. */
export interface ToldKill {
  readonly id: string;
  readonly at: Instant;
  readonly cgroup: KillRecord["cgroup"];
  readonly limit: KillRecord["limit"];
  readonly victim: Pick<KillRecord["victim"], "pid">;
  readonly witnesses: readonly SourceName[];
  /** What was said of its visibility for good; `null` while it is pending or unknown. */
  readonly settled: Settled | null;
  /** It turned out to be no kill of its own; absent in state of earlier versions. */
  readonly none?: boolean;
}

export type Settled = Extract<Visibility, "visible" | "invisible">;

export function toldKill(
  { id, cgroup, limit, victim, witnesses, visibility, outcome }: KillRecord,
  at: Instant,
  before: Settled | null,
): ToldKill {
  const settled = before ?? settledOf(visibility);
  const none = outcome === "duplicate" || outcome === "unconfirmed";
  return { id, at, cgroup, limit, victim: { pid: victim.pid }, witnesses, settled, none };
}

export function settledOf(visibility: Visibility): Settled | null {
  return visibility === "visible" || visibility === "invisible" ? visibility : null;
}

/**
 * Where a kill is filed: under its container, else under its pod, else among those of which neither is known. What is no
 * kill stays known, but ends no container.
 */
export type Shelf = `container ${string}` | `pod ${string}` | "unplaced" | "none";

export interface Filed {
  readonly kill: ToldKill;
  readonly shelf: Shelf;
  /** What was last said of it, as text. */
  readonly said: string;
  /** Nothing more is to be learned of it. */
  readonly complete: boolean;
}

/** Whether nothing that a runtime says can make it better. */
function isComplete({ container, pod, main, visibility }: Identity): boolean {
  const named = container !== null && container.name !== null && container.image !== null;
  const podNamed = pod === null || (pod.name !== null && pod.container !== null);
  // The CRI counts restarts, and is heard of a little later than the kill of a container that has just begun.
  const counted = pod === null || container?.restarts !== null;
  return counted && named && podNamed && main !== null && settledOf(visibility) !== null;
}

/** Kills remembered, about a kilobyte each; more in a few seconds than any machine we saw makes (500 in a second). */
const KEPT = 2_000;

/** The latest kills that were told, by where they happened. */
export class ToldKills {
  readonly #filed = new Map<string, Filed>();
  readonly #shelves = new Map<Shelf, Map<string, Filed>>();
  /** The same by place and victim. */
  readonly #victims = new Map<string, Set<string>>();

  all(): IterableIterator<Filed> {
    return this.#filed.values();
  }

  get(id: string): Filed | undefined {
    return this.#filed.get(id);
  }

  on(shelf: Shelf): Filed[] {
    return [...(this.#shelves.get(shelf)?.values() ?? [])];
  }

  /** Kills of process `pid` in that place. */
  ofVictim(shelf: Shelf, pid: number): ToldKill[] {
    const ids = this.#victims.get(`${shelf} ${pid}`) ?? [];
    return [...ids].flatMap((id) => this.#filed.get(id)?.kill ?? []);
  }

  put(kill: ToldKill, shelf: Shelf, identity: Identity, said: string): void {
    const known = this.#filed.get(kill.id);
    const complete = isComplete(identity);
    // Of a life long ago something was forgotten meanwhile: that is no news.
    if (known?.complete === true && !complete && kill.none !== true) return;
    this.#remove(kill.id);
    const filed = { kill, shelf, said, complete };
    this.#filed.set(kill.id, filed);
    const shelved = this.#shelves.get(shelf);
    if (shelved === undefined) this.#shelves.set(shelf, new Map([[kill.id, filed]]));
    else shelved.set(kill.id, filed);
    this.#putVictim(kill, shelf);
    const oldest = this.#filed.keys().next();
    if (this.#filed.size > KEPT && oldest.done !== true) this.#remove(oldest.value);
  }

  #putVictim({ id, victim }: ToldKill, shelf: Shelf): void {
    if (victim.pid === null) return;
    const key = `${shelf} ${victim.pid}`;
    const ids = this.#victims.get(key);
    if (ids === undefined) this.#victims.set(key, new Set([id]));
    else ids.add(id);
  }

  #remove(id: string): void {
    const filed = this.#filed.get(id);
    if (filed === undefined) return;
    const { kill, shelf } = filed;
    this.#filed.delete(id);
    const shelved = this.#shelves.get(shelf);
    shelved?.delete(id);
    if (shelved?.size === 0) this.#shelves.delete(shelf);
    const key = `${shelf} ${kill.victim.pid}`;
    const ids = this.#victims.get(key);
    ids?.delete(id);
    if (ids?.size === 0) this.#victims.delete(key);
  }
}
