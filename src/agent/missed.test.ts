import assert from "node:assert/strict";
import { test } from "node:test";
import { type Kill, killFrom } from "../ledger/kill.ts";
import { kill as evidence } from "../ledger/testing.ts";
import type { SourceName } from "../model/observation.ts";
import type { SourceState } from "../model/record.ts";
import { SECOND } from "../model/time.ts";
import { Missed, type Verdict } from "./missed.ts";

/** Kills by hand, at whole seconds; every source is up since second 1. */
class Bench {
  readonly kills = new Map<string, Kill>();
  readonly said: Verdict[] = [];
  readonly missed = new Missed({
    kill: (id) => this.kills.get(id),
    isReadable: () => this.readable,
  });
  readable = true;
  #now = 1;

  constructor() {
    for (const source of ["kernel-log", "tracefs", "probe", "cgroup", "vmstat"] as const) {
      this.becomes(source, "up");
    }
  }

  becomes(source: SourceName, state: SourceState): void {
    const record = { type: "source", source, state, reason: null, lost: 0, missed: 0 } as const;
    this.missed.sourceChanged(record, this.#now * SECOND);
  }

  /** A kill that these saw, a second after the last. */
  happens(witnesses: readonly SourceName[], changes: Partial<Kill> = {}): Kill {
    this.at(this.#now + 1);
    const id = String(this.#now);
    const known = { doubled: false, recovered: false, inNodeBook: "yes", openedAt: 0 } as const;
    const kill = {
      ...killFrom(id, evidence("tracefs", this.#now, 1), known),
      witnesses: [...witnesses],
      ...changes,
    };
    this.kills.set(id, kill);
    this.missed.opened(id, this.#now * SECOND);
    return kill;
  }

  at(seconds: number): void {
    this.#now = seconds;
    this.said.push(...this.missed.look(seconds * SECOND));
  }

  settle(): void {
    this.at(this.#now + 6);
  }

  missedBy(source: SourceName): number {
    return this.said
      .filter((one) => one.source === source)
      .reduce((sum, { missed }) => sum + missed, 0);
  }

  blind(source: SourceName): string | null {
    return this.said.findLast((one) => one.source === source)?.blind ?? null;
  }
}

const ALL: readonly SourceName[] = ["kernel-log", "tracefs", "probe", "cgroup", "vmstat"];
const but = (...left: SourceName[]) => ALL.filter((name) => !left.includes(name));

test("what misses three kills in a row is blind, until it sees one", () => {
  for (const source of ALL) {
    const bench = new Bench();
    bench.happens(ALL, { cgroup: { path: "/a", id: 1, version: 1, basis: "proc" } });
    for (let count = 0; count < 2; count++) bench.happens(but(source), inCgroup);
    bench.settle();
    assert.deepEqual([bench.missedBy(source), bench.blind(source)], [2, null], source);
    bench.happens(but(source), inCgroup);
    bench.settle();
    assert.equal(bench.missedBy(source), 3, source);
    assert.match(bench.blind(source) ?? "", /none of the last 3 kills/, source);
    for (const other of but(source)) assert.equal(bench.missedBy(other), 0, `${source}: ${other}`);
    bench.happens(ALL, inCgroup);
    bench.settle();
    assert.equal(bench.blind(source), null, `${source} sees again`);
  }
});

const inCgroup = { cgroup: { path: "/a", id: 1, version: 1, basis: "proc" } } as const;

test("evidence that comes within five seconds is not missed", () => {
  const bench = new Bench();
  const kills = [1, 2, 3].map(() => bench.happens(but("kernel-log")));
  for (const kill of kills) bench.kills.set(kill.id, { ...kill, witnesses: [...ALL] });
  bench.settle();
  assert.equal(bench.missedBy("kernel-log"), 0);
});

test("kills missed in a storm before one that it saw make nothing blind", () => {
  const bench = new Bench();
  for (let count = 0; count < 4; count++) bench.happens(but("tracefs"));
  bench.happens(ALL);
  bench.settle();
  bench.settle();
  assert.deepEqual([bench.missedBy("tracefs"), bench.blind("tracefs")], [4, null]);
});

test("a kill that no counter has is held against nobody", () => {
  const bench = new Bench();
  for (let count = 0; count < 5; count++) bench.happens(["tracefs"]);
  for (let count = 0; count < 5; count++) bench.happens(["kernel-log"]);
  bench.settle();
  assert.deepEqual(bench.said, []);
});

test("only what it could have seen", () => {
  const bench = new Bench();
  bench.becomes("tracefs", "down");
  for (let count = 0; count < 3; count++) bench.happens(but("tracefs"));
  bench.becomes("tracefs", "up");
  for (let count = 0; count < 3; count++) bench.happens(but("tracefs"), { recovered: true });
  for (let count = 0; count < 3; count++) bench.happens(but("tracefs"), { counted: false });
  bench.settle();
  assert.equal(bench.missedBy("tracefs"), 0, "it was down, or nobody watched");
  bench.readable = false;
  for (let count = 0; count < 3; count++) bench.happens(but("cgroup"), inCgroup);
  bench.settle();
  bench.readable = true;
  for (let count = 0; count < 3; count++) bench.happens(but("cgroup"), { cgroup: null });
  bench.settle();
  assert.equal(bench.missedBy("cgroup"), 0, "the cgroup was gone, or nobody knows which");
});
