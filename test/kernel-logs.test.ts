/** Recorded kernel logs against what a reader finds in them by eye (NAME.truth.json). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import fc from "fast-check";
import { KmsgDecoder } from "../src/parse/kmsg-record.ts";
import { assemble, assembleText, cut, isKill, type KillEvent, LAWS } from "./kernel-log-reading.ts";

const FIXTURES = [
  "kmsg-v2-5.10",
  "kmsg-v2-6.1.0",
  "kmsg-v2-6.12",
  "kmsg-v2-7.2",
  "kmsg-v1-6.18-storm",
] as const;

interface Truth {
  readonly records: number;
  readonly killedLines: number;
  readonly kills: number;
  readonly groups: readonly { sequence: string; incident: string; cgroup: string }[];
  readonly skips: number;
  readonly events: readonly Record<string, unknown>[];
}

const read = (name: string) =>
  readFileSync(new URL(`fixtures/kernel-logs/${name}`, import.meta.url));

/** As much of an event as the truth files hold. */
function asTruth(event: KillEvent): Record<string, unknown> {
  return {
    sequence: event.sequence,
    tid: event.victim.tid,
    comm: event.victim.comm,
    outcome: "killed",
    constraint: event.limit?.constraint ?? null,
    oomMemcg: event.limit?.cgroup ?? null,
    taskMemcg: event.cgroup?.path ?? null,
    basis: event.cgroup?.basis ?? null,
    limitBytes: event.limit?.bytes ?? null,
    incident: event.incident,
    group: event.group,
    repeat: event.repeat,
  };
}

for (const name of FIXTURES) {
  const bytes = read(`${name}.txt`);
  const lines = bytes.toString("utf8").trimEnd().split("\n");
  const whole = assemble([bytes]);
  const truth: Truth = JSON.parse(read(`${name}.truth.json`).toString("utf8"));

  it(`${name}: every kill, in order, as read by eye`, () => {
    const kills = whole.filter(isKill).map(asTruth);
    assert.deepEqual(kills, truth.events);
    const groups = whole.filter((event) => event.kind === "group");
    const named = groups.map(({ sequence, incident, cgroup }) => ({ sequence, incident, cgroup }));
    assert.deepEqual(named, truth.groups);
    assert.equal(whole.filter((event) => event.kind === "skip").length, truth.skips);
    assert.equal(kills.filter((kill) => kill["repeat"] === false).length, truth.kills);
  });

  it(`${name}: as many kill lines and records as a search counts`, () => {
    const decoder = new KmsgDecoder();
    assert.equal(decoder.push(bytes).length, truth.records);
    assert.equal(decoder.dropped, 0);
    const killed = lines.filter((line) => /;.*: Killed process \d+ \(/.test(line));
    assert.equal(killed.length, truth.killedLines);
    const groups = lines.filter((line) => line.includes(";Tasks in /"));
    assert.equal(groups.length, truth.groups.length);
  });

  it(`${name}: the same whatever the chunks`, () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 });
    const law = fc.property(sizes, (parts) => assert.deepEqual(assemble(cut(bytes, parts)), whole));
    fc.assert(law, { ...LAWS, numRuns: 20 });
  });

  it(`${name}: cut off at any record, what was said stays as it is`, () => {
    const law = fc.property(fc.nat(lines.length), (count) => {
      const part = assembleText(`${lines.slice(0, count).join("\n")}\n`);
      assert.deepEqual(part, whole.slice(0, part.length));
    });
    fc.assert(law, { ...LAWS, numRuns: 40 });
  });

  it(`${name}: torn anywhere, each kill line is one kill and none gets a wrong cgroup`, () => {
    const known = new Map(whole.filter(isKill).map((kill) => [kill.sequence, kill]));
    const range = fc.tuple(fc.nat(lines.length), fc.nat(lines.length));
    const law = fc.property(range, ([from, to]) => {
      const rest = [...lines.slice(0, from), ...lines.slice(to)].filter(unique());
      const kills = assembleText(`${rest.join("\n")}\n`).filter(isKill);
      assert.equal(kills.length, rest.filter((line) => / Killed process \d/.test(line)).length);
      for (const { sequence, cgroup, limit } of kills) {
        const right = known.get(sequence);
        if (cgroup !== null) assert.equal(cgroup.path, right?.cgroup?.path);
        if (limit?.cgroup) assert.equal(limit.cgroup, right?.limit?.cgroup);
      }
    });
    fc.assert(law, { ...LAWS, numRuns: 60 });
  });
}

/** Passes each line once: a range given backwards would double some. */
function unique(): (line: string) => boolean {
  const seen = new Set<string>();
  return (line) => !seen.has(line) && seen.add(line) !== undefined;
}
