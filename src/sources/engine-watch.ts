import type { Host } from "../host/host.ts";
import type { RuntimeObservation } from "../model/container.ts";
import type { DockerListed } from "../parse/docker-container.ts";
import type { DockerEvent } from "../parse/docker-event.ts";
import type { EngineClient } from "./engine-client.ts";
import type { EngineMemory, Look } from "./engine-memory.ts";
import { lookAt } from "./engine-process.ts";

/** Events waiting for the answer to an inspect; beyond it everything is listed anew. */
const MAX_WAITING = 10_000;
/** A daemon forgets events for a subscriber that is slow (100 ms, daemon/events): the list would show it. */
const RECONCILE_MILLISECONDS = 300_000;
const PING_MILLISECONDS = 30_000;
/** Of the eight questions a daemon is asked at once: the rest are for containers that just started or died. */
const LISTED_AT_ONCE = 4;

export interface WatchOptions {
  readonly host: Host;
  readonly client: EngineClient;
  readonly memory: EngineMemory;
  readonly procRoot: string;
  /** An ordinary user's daemon. */
  readonly isUsers: boolean;
  /** The last event told, wall µs; `null` when there is none. */
  readonly cursor: number | null;
  emit(observations: readonly RuntimeObservation[]): void;
  lost(count: number, what: string): void;
  saveCursor(wallMicroseconds: number): void;
  /** All containers have been listed once, or anew. */
  listed(): void;
}

/** One connection to one daemon: events first, then the list, so that nothing falls between them. */
export class EngineWatch {
  readonly #options: WatchOptions;
  /** What is still to be done for each container, in the order in which it was told. */
  readonly #chains = new Map<string, Promise<void>>();
  /** The last event about the runs of each container that waits or is being handled. */
  readonly #latest = new Map<string, DockerEvent>();
  /** Events not handled to their end. */
  #waiting = 0;
  /** Events that came before the list did. */
  #early: DockerEvent[] | null = [];
  /** What events said since the list that is being worked on was asked for. */
  readonly #news = new Map<string, "there" | "gone">();
  #listing = true;
  #lastEventAt: number;
  readonly #ended = Promise.withResolvers<never>();
  readonly #cancels: (() => void)[] = [];

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#lastEventAt = options.cursor ?? 0;
    this.#ended.promise.catch(() => undefined);
  }

  /** Resolves when all containers have been told; rejects when the daemon cannot be followed. */
  async start(): Promise<void> {
    const { host, client, cursor } = this.#options;
    const openedAt = host.clock.wallMicroseconds();
    await Promise.race([this.#subscribe(cursor), this.#ended.promise]);
    await Promise.race([this.#reconcile(true), this.#ended.promise]);
    this.#lastEventAt = Math.max(this.#lastEventAt, openedAt);
    this.#saveCursor();
    this.#every(PING_MILLISECONDS, () => client.ping());
    this.#every(RECONCILE_MILLISECONDS, () => this.#reconcile(false));
  }

  /** Rejects when the connection broke. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  close(): void {
    for (const cancel of this.#cancels.splice(0)) cancel();
  }

  #subscribe(cursor: number | null): Promise<void> {
    const { client, lost } = this.#options;
    return new Promise((resolve) => {
      // Inclusive on the daemon's side, and a double holds its nanoseconds only to 0.13 µs.
      const stream = client.events(cursor === null ? null : cursor + 2, {
        opened: () => resolve(),
        event: (event) => this.#take(event),
        dropped: () => lost(1, "an event of more than 1 MiB"),
        end: (error) =>
          this.#ended.reject(error ?? new Error(`${client.socketPath}: the events ended`)),
      });
      this.#cancels.push(() => stream.close());
    });
  }

  #take(event: DockerEvent): void {
    if (this.#early !== null && this.#early.length < MAX_WAITING) this.#early.push(event);
    else this.#enqueue(event);
  }

  #enqueue(event: DockerEvent): void {
    if (this.#waiting >= MAX_WAITING) {
      this.#options.lost(1, "events that came faster than containers could be inspected");
      this.#ended.reject(new Error("too many events were waiting"));
      return;
    }
    this.#lastEventAt = Math.max(this.#lastEventAt, event.wallMicroseconds);
    if (this.#listing) this.#news.set(event.id, event.action === "destroy" ? "gone" : "there");
    this.#waiting += 1;
    if (event.action !== "oom") this.#latest.set(event.id, event);
    this.#after(event.id, () => this.#handle(event)).then(() => {
      this.#waiting -= 1;
      if (this.#isLatest(event)) this.#latest.delete(event.id);
      if (this.#waiting === 0 && !this.#listing) this.#saveCursor();
    });
  }

  /** Nothing newer is known of the container: otherwise the daemon would answer of that, and is not asked. */
  #isLatest(event: DockerEvent): boolean {
    return this.#latest.get(event.id) === event;
  }

  /** Does it once everything before it about this container is done; containers do not wait for each other. */
  #after(id: string, work: () => Promise<void>): Promise<void> {
    const before = this.#chains.get(id) ?? Promise.resolve();
    const done = before.then(work).catch((error: unknown) => this.#ended.reject(error));
    const mine = done.then(() => {
      if (this.#chains.get(id) === mine) this.#chains.delete(id);
    });
    this.#chains.set(id, mine);
    return mine;
  }

  async #handle(event: DockerEvent): Promise<void> {
    const { memory, emit } = this.#options;
    switch (event.action) {
      case "create":
      case "rename":
        return emit(memory.described(event, event.wallMicroseconds));
      case "init":
      case "start":
        return this.#started(event);
      case "oom":
        return emit(memory.oom(event));
      case "die":
        return this.#died(event);
      case "destroy":
        return emit(memory.gone(event.id, event.wallMicroseconds));
    }
  }

  async #started(event: DockerEvent): Promise<void> {
    const { memory, emit } = this.#options;
    const look = this.#isLatest(event) ? await this.#look(event.id) : UNSEEN;
    emit(memory.started(event, look));
  }

  async #look(id: string): Promise<Look> {
    const { client, host, procRoot, isUsers } = this.#options;
    const inspect = await client.inspect(id);
    const at = host.clock.wallMicroseconds();
    if (inspect === null) return { inspect, cgroupPath: null, at };
    const { there, cgroupPath } = lookAt(host, procRoot, inspect, isUsers);
    return { inspect: there, cgroupPath, at };
  }

  async #died(event: DockerEvent): Promise<void> {
    const { memory, client, emit } = this.#options;
    if (!memory.isNews(event)) return;
    emit(memory.died(event, this.#isLatest(event) ? await client.inspect(event.id) : null));
  }

  /** Tells what the daemon has now, against what was known. `afterGap`: events may have been missed. */
  async #reconcile(afterGap: boolean): Promise<void> {
    const { client, memory, host, lost, listed } = this.#options;
    this.#listing = true;
    const { listed: list, leftOut: repeated } = await Promise.race([
      client.list(memory.limit),
      this.#ended.promise,
    ]);
    const at = host.clock.wallMicroseconds();
    for (const event of this.#early?.splice(0) ?? []) this.#enqueue(event);
    this.#early = null;
    const before = memory.leftOut;
    await eachOf(list, LISTED_AT_ONCE, (container) => this.#listed(container, at, afterGap));
    const there = new Set(list.map(({ id }) => id));
    for (const [id, state] of this.#news) if (state === "there") there.add(id);
    memory.keepOnly(there);
    const leftOut = memory.leftOut - before + repeated;
    if (leftOut > 0) lost(leftOut, "containers beyond the bound are not told of");
    this.#listing = false;
    this.#news.clear();
    listed();
  }

  #listed(container: DockerListed, at: number, afterGap: boolean): Promise<void> {
    const { memory, emit } = this.#options;
    return this.#after(container.id, async () => {
      if (this.#news.get(container.id) === "gone") return;
      const described = memory.described(container, at);
      const must = this.#mustInspect(container, afterGap);
      emit([...described, ...(must ? await this.#inspected(container.id) : [])]);
    });
  }

  /** A container without a process that was not known to have one has nothing new to say. */
  #mustInspect({ id, active }: DockerListed, afterGap: boolean): boolean {
    const { memory, cursor } = this.#options;
    if (!afterGap) return active ? !memory.isComplete(id) : memory.isRunning(id);
    return active || memory.isRunning(id) || cursor !== null;
  }

  async #inspected(id: string): Promise<RuntimeObservation[]> {
    const { memory, cursor } = this.#options;
    const look = await this.#look(id);
    return look.inspect === null ? [] : memory.reconciled(look.inspect, look, cursor);
  }

  #saveCursor(): void {
    this.#options.saveCursor(this.#lastEventAt);
  }

  #every(milliseconds: number, work: () => Promise<void>): void {
    const { clock } = this.#options.host;
    let cancel = () => {};
    const again = () => {
      cancel = clock.after(milliseconds, () => {
        work().then(again, (error: unknown) => this.#ended.reject(error));
      });
    };
    again();
    this.#cancels.push(() => cancel());
  }
}

const UNSEEN: Look = { inspect: null, cgroupPath: null, at: 0 };

/** Works on all of them, so many at a time. */
async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
