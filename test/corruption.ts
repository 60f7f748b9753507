import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { rig } from "../src/agent/testing/rig.ts";
import { openSqlite } from "../src/host/sqlite.ts";
import * as evidence from "../src/ledger/testing.ts";
import type { KillObservation } from "../src/model/observation.ts";
import type { StreamRecord } from "../src/sinks/sink.ts";
import { createStore, STORE_FILE, type Store } from "../src/sinks/store.ts";
import { type ManualClock, manualClock } from "../src/sinks/testing/records.ts";
import { Random } from "../src/std/random.ts";

/** What is damaged in one run. */
export const TARGETS = ["journal.jsonl", "checkpoint.json", STORE_FILE] as const;
export type TargetName = (typeof TARGETS)[number];

export interface CorruptionResult {
  /** What was done to the file. */
  readonly damage: string;
  /** Kills and records of the stream that were told before and are not in the store after the start. */
  readonly lost: number;
  /** What the agent said at the start. */
  readonly said: readonly string[];
  /** What must not be; empty when all is well. */
  readonly wrong: readonly string[];
}

interface Truth {
  readonly directory: string;
  /** Everything that was told, as text, by its place in the stream. */
  readonly told: ReadonlyMap<number, string>;
  /** Every revision of every kill, as text, and the newest of each. */
  readonly revisions: ReadonlySet<string>;
  readonly newest: ReadonlyMap<string, string>;
  readonly kills: readonly KillObservation[];
  readonly endedAt: number;
}

/** Damages the state of one killed agent again and again, each time in another way, and starts the next agent on it. */
export class Corruption {
  readonly #root = fs.mkdtempSync(path.join(os.tmpdir(), "oomwitness-corrupt-"));
  readonly #truth: Truth;

  constructor() {
    this.#truth = prepare(path.join(this.#root, "truth"));
  }

  remove(): void {
    fs.rmSync(this.#root, { recursive: true, force: true });
  }

  async run(target: TargetName, seed: number): Promise<CorruptionResult> {
    const directory = path.join(this.#root, "run");
    fs.cpSync(this.#truth.directory, directory, { recursive: true });
    const random = new Random(seed);
    const withLog = target === STORE_FILE && random.chance(0.3) ? "-wal" : "";
    const damage = damageFile(path.join(directory, target + withLog), random);
    try {
      return { damage: `${target}${withLog}: ${damage}`, ...(await start(directory, this.#truth)) };
    } finally {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }
}

function agentOn(directory: string, clock: ManualClock, said: string[]) {
  const report = (sentence: string) => void said.push(sentence);
  const store = createStore({ path: path.join(directory, STORE_FILE), clock, report });
  const made = rig({ directory, clock, sinks: [store] });
  return { store, ...made };
}

/** The files of an agent that was killed: two checkpoints, two journals, a database and its log. */
function prepare(directory: string): Truth {
  fs.mkdirSync(directory);
  const live = `${directory}-live`;
  fs.mkdirSync(live);
  const clock = manualClock();
  clock.advance(2_000);
  const kills: KillObservation[] = [];
  const { told, emit } = agentOn(live, clock, []);
  emit(evidence.count("node", [null, 2], 0, { baseline: true }));
  const killSome = (count: number, from: number) => {
    for (let number = 0; number < count; number += 1) {
      const kill = evidence.kill("tracefs", from + number / 10, 1_000 + kills.length);
      kills.push(kill);
      emit(kill);
      clock.advance(100);
    }
  };
  killSome(40, 2);
  clock.advance(6_000);
  killSome(40, 12);
  clock.advance(6_000);
  const database = openSqlite(path.join(live, STORE_FILE), "write");
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  killSome(20, 22);
  // As `kill -9` leaves them: nothing is closed.
  for (const name of fs.readdirSync(live)) {
    if (!name.endsWith("-shm")) fs.copyFileSync(path.join(live, name), path.join(directory, name));
  }
  return { directory, kills, endedAt: 40_000, ...truthOf(told) };
}

function truthOf(records: readonly StreamRecord[]): Pick<Truth, "told" | "revisions" | "newest"> {
  const kills = records.flatMap(({ record }) => (record.type === "kill" ? [record] : []));
  return {
    told: new Map(records.map(({ sequence, record }) => [sequence, JSON.stringify(record)])),
    revisions: new Set(kills.map((kill) => JSON.stringify(kill))),
    newest: new Map(kills.map((kill) => [kill.id, JSON.stringify(kill)])),
  };
}

type Outcome = Omit<CorruptionResult, "damage">;

async function start(directory: string, truth: Truth): Promise<Outcome> {
  const clock = manualClock();
  clock.advance(truth.endedAt);
  const said: string[] = [];
  const agent = agentOn(directory, clock, said);
  said.push(...agent.pipeline.problems, ...agent.reports);
  // The sources tell again what they still hold, and something new happens.
  agent.emit(...truth.kills, evidence.kill("tracefs", 50, 9_999));
  clock.advance(6_000);
  const wrong = [...foreign(agent.store, agent.told, truth), ...unheard(agent.store)];
  const lost = missing(agent.store, truth);
  if (lost.length > 0 && !said.some((one) => /lost|cannot be read any more/.test(one))) {
    wrong.push(`lost without a word: ${lost.slice(0, 3).join(", ")}`);
  }
  await agent.pipeline.stop();
  return { lost: lost.length, said, wrong };
}

const ALL = { since: null, until: null, limit: 1_000, cursor: null };

/** What the store holds and nobody ever told, and kills that have a second record. */
function foreign(store: Store, now: readonly StreamRecord[], truth: Truth): string[] {
  const later = truthOf(now);
  const kills = store.kills(ALL).items.flatMap((kill) => {
    const text = JSON.stringify(kill);
    if (truth.revisions.has(text) || later.revisions.has(text)) return [];
    return [`invented or changed: kill ${kill.id}`];
  });
  const events = store.eventsAfter(0, 10_000).flatMap(({ sequence, json }) => {
    const known = truth.told.get(sequence) === json || later.told.get(sequence) === json;
    return known ? [] : [`invented or changed: record ${sequence}`];
  });
  const doubled = [...later.newest.values()].flatMap((text) => {
    const { id, victim } = JSON.parse(text);
    const known = victim.tid === 9_999 || truth.newest.has(id);
    return known ? [] : [`doubled: kill ${id} of ${victim.tid}`];
  });
  return [...kills, ...events, ...doubled];
}

function unheard(store: Store): string[] {
  const tids = store.kills(ALL).items.map(({ victim }) => victim.tid);
  return tids.includes(9_999) ? [] : ["the kill after the start is not stored"];
}

function missing(store: Store, truth: Truth): string[] {
  const kept = new Set(store.kills(ALL).items.map(({ id }) => id));
  const events = new Set(store.eventsAfter(0, 10_000).map(({ sequence }) => sequence));
  return [
    ...[...truth.newest.keys()].filter((id) => !kept.has(id)).map((id) => `kill ${id}`),
    ...[...truth.told.keys()].filter((one) => !events.has(one)).map((one) => `record ${one}`),
  ];
}

/** Damages the file in one of the ways in which disks, file systems and people do. */
function damageFile(file: string, random: Random): string {
  const bytes = fs.readFileSync(file);
  const at = random.int(0, bytes.length - 1);
  const length = Math.min(random.int(1, 5_000), bytes.length - at);
  const noise = () => Buffer.from(Array.from({ length }, () => random.int(0, 255)));
  const [what, changed] = pick(random, [
    () => {
      const bit = random.int(0, 7);
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ (1 << bit);
      return [`bit ${bit} of byte ${at} flipped`, copy];
    },
    () => {
      const copy = Buffer.from(bytes);
      copy[at] = random.int(0, 255);
      return [`byte ${at} is ${copy[at]}`, copy];
    },
    () => [`${length} bytes at ${at} are 0`, Buffer.from(bytes).fill(0, at, at + length)],
    () => {
      const copy = Buffer.from(bytes);
      noise().copy(copy, at);
      return [`${length} bytes at ${at} are noise`, copy];
    },
    () => [`ends at ${at}`, bytes.subarray(0, at)],
    () => [
      `${length} bytes at ${at} are gone`,
      Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]),
    ],
    () => [
      `${length} bytes at ${at} are there twice`,
      Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]),
    ],
  ]);
  fs.writeFileSync(file, changed);
  return what;
}

function pick(random: Random, ways: readonly (() => [string, Buffer])[]): [string, Buffer] {
  const way = ways[random.int(0, ways.length - 1)];
  if (way === undefined) throw new Error("no way to damage a file");
  return way();
}
