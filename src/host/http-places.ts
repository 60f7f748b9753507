/**
 * Who may be connected. Every connection has a place, and so has every long reply. One client address never has more than
 * its share of either, so that it cannot shut out the others. A connection is idle while we wait for its client: for a
 * request, or for the client to read. When no place is left the connection that has been idle longest makes room for the
 * new one.
 */
export interface PlaceLimits {
  readonly connections: number;
  /** Long replies (lists) under way or waiting for their turn. */
  readonly longReplies: number;
  /** Part of both that one client address may have. */
  readonly addressShare: number;
}

/** What the rules need to know of a connection. */
export interface Place {
  /** Client address, as `addressKey` makes it. */
  readonly address: string;
  /** Ends the connection at once. */
  close(): void;
}

export class Places {
  readonly #limits: PlaceLimits;
  /** Idle ones with the time since when, ms; the longest idle first, as a Map keeps the order of insertion. */
  readonly #idle = new Map<Place, number>();
  readonly #busy = new Set<Place>();
  readonly #connections = new Map<string, number>();
  /** By address; `#longOf` by connection, since one may ask for several without waiting. */
  readonly #long = new Map<string, number>();
  readonly #longOf = new Map<Place, number>();
  #longReplies = 0;
  #closedForRoom = 0;
  #refusedLong = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** Connections closed to make room so far. */
  get closedForRoom(): number {
    return this.#closedForRoom;
  }

  /** Long replies refused so far. */
  get refusedLong(): number {
    return this.#refusedLong;
  }

  /** A new connection, which is idle until it has asked. False: it was closed, because everybody else is being served. */
  enter(place: Place, now: number): boolean {
    if (!this.#makeRoom(place)) {
      place.close();
      return false;
    }
    add(this.#connections, place.address, 1);
    this.#idle.set(place, now);
    return true;
  }

  leave(place: Place): void {
    if (!this.#idle.delete(place) && !this.#busy.delete(place)) return;
    add(this.#connections, place.address, -1);
    this.#endLong(place, this.#longOf.get(place) ?? 0);
  }

  /** Its client waits for us. */
  busy(place: Place): void {
    if (this.#idle.delete(place)) this.#busy.add(place);
  }

  /** We wait for its client. */
  idle(place: Place, now: number): void {
    if (this.#busy.delete(place)) this.#idle.set(place, now);
  }

  /** Closes what has been idle since before `then`. */
  closeIdleSince(then: number): void {
    for (const [place, since] of this.#idle) {
      if (since > then) return;
      this.#close(place);
    }
  }

  /**
   * A place for a long reply; the returned function gives it back. Whoever does not read one makes room for who does;
   * `null` when all are being read.
   */
  beginLong(place: Place): (() => void) | null {
    if (!this.#makeLongRoom(place.address)) {
      this.#refusedLong += 1;
      return null;
    }
    this.#longReplies += 1;
    add(this.#long, place.address, 1);
    add(this.#longOf, place, 1);
    let ended = false;
    return () => {
      // A connection that left gave all of its own back.
      if (!ended && this.#longOf.has(place)) this.#endLong(place, 1);
      ended = true;
    };
  }

  #endLong(place: Place, count: number): void {
    this.#longReplies -= count;
    add(this.#long, place.address, -count);
    add(this.#longOf, place, -count);
  }

  #makeLongRoom(address: string): boolean {
    const { longReplies } = this.#limits;
    const own = (this.#long.get(address) ?? 0) >= this.#share(longReplies);
    if (!own && this.#longReplies < longReplies) return true;
    for (const place of this.#idle.keys()) {
      if (!this.#longOf.has(place) || (own && place.address !== address)) continue;
      this.#closedForRoom += 1;
      this.#close(place);
      return true;
    }
    return false;
  }

  #share(limit: number): number {
    return Math.max(1, Math.floor(limit * this.#limits.addressShare));
  }

  /** True when there is room, or the one that has been idle longest had to go for it. */
  #makeRoom({ address }: Place): boolean {
    const { connections } = this.#limits;
    const own = (this.#connections.get(address) ?? 0) >= this.#share(connections);
    if (!own && this.#idle.size + this.#busy.size < connections) return true;
    this.#closedForRoom += 1;
    for (const place of this.#idle.keys()) {
      if (own && place.address !== address) continue;
      this.#close(place);
      return true;
    }
    return false;
  }

  #close(place: Place): void {
    this.leave(place);
    place.close();
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

/** One key a client: of IPv6 the /64, since whoever has one address there has all of it; "" of a Unix socket. */
export function addressKey(remoteAddress: string): string {
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(remoteAddress)?.[1];
  if (mapped !== undefined) return mapped;
  if (!remoteAddress.includes(":")) return remoteAddress;
  const [head = "", tail] = remoteAddress.replace(/%.*$/, "").split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after];
  return groups.slice(0, 4).join(":");
}
