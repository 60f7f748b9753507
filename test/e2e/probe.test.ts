import assert from "node:assert/strict";
import { before, test } from "node:test";
import { guestAvailable } from "../../lab/guest/guest.ts";
import { runInEmulatedGuest } from "./support/emulated-guest.ts";

const available = guestAvailable();
const skip = available.ok ? false : available.reason;

interface Told {
  readonly kind: string;
  readonly victim: { readonly pid: number | null; readonly tid: number; readonly comm: string };
  readonly cgroup: { readonly path: string; readonly id: number; readonly basis: string } | null;
  readonly sequence: string;
  readonly incident: string;
  readonly members: readonly string[];
  readonly repeat: boolean;
  readonly counted: boolean;
}

interface Scenario {
  readonly truth: { readonly id: number; readonly path: string; readonly pids: readonly number[] };
  readonly probe: readonly Told[];
  readonly tracefs: readonly Told[];
}

/** The probe and the trace source on cgroup v2. */
let saved: Readonly<Record<string, string>> = {};
const read = (name: string): unknown => JSON.parse(saved[`${name}.json`] ?? "null");

/** What was told of the scenario's own victims: a late word on an earlier one may have come in between. */
function scenario(name: string): Scenario {
  const { truth, probe, tracefs } = read(name) as Scenario;
  const ours = ({ victim }: Told) => !("pids" in truth) || truth.pids.includes(victim?.tid);
  const own = (told: readonly Told[]) => told.filter((one) => one.kind === "group" || ours(one));
  return { truth, probe: own(probe), tracefs: own(tracefs) };
}

const kills = (told: readonly Told[]) =>
  told.filter(({ kind, repeat, counted }) => kind === "kill" && !repeat && counted);
const victims = (told: readonly Told[]) =>
  [...new Set(kills(told).map(({ victim }) => victim.tid))].sort((a, b) => a - b);

before(async () => {
  if (skip !== false) return;
  const { exitCode, output, files } = await runInEmulatedGuest({
    script: "/usr/bin/node test/e2e/guest-probe.ts",
  });
  assert.equal(exitCode, 0, output);
  saved = files;
});

test("both work; a probe of another shape left behind is replaced", { skip }, () => {
  const { up, events } = read("up") as { up: unknown; events: string };
  assert.deepEqual(up, ["", ""]);
  assert.match(events, /victim_oomwitness_probe mark_oom_victim pid=\+\d+\(%di\):s32 tgid=/);
});

test("nothing is left of them afterwards, and the probe of somebody else is", { skip }, () => {
  const { events, instances } = read("end") as { events: string; instances: string[] };
  assert.deepEqual([events, instances], ["p:others/theirs do_exit\n", []]);
});

test("a storm: the kernel names the cgroup of every kill, its id is the directory's inode", {
  skip,
}, () => {
  const { truth, probe, tracefs } = scenario("storm");
  const pids = [...truth.pids].sort((a, b) => a - b);
  assert.deepEqual(victims(probe), pids);
  assert.deepEqual(victims(tracefs), pids);
  assert.equal(kills(probe).length, pids.length, "each once");
  for (const { cgroup, victim } of kills(probe)) {
    const { path, id } = truth;
    assert.deepEqual(cgroup, { path, id, version: 2, basis: "probe" });
    assert.equal(victim.pid, victim.tid);
  }
  for (const { cgroup } of kills(tracefs)) assert.equal(cgroup?.path ?? truth.path, truth.path);
});

test("a group kill: every member once, the first victim again, all one incident", { skip }, () => {
  const { truth, probe, tracefs } = scenario("group");
  const pids = [...truth.pids].sort((a, b) => a - b);
  for (const told of [probe, tracefs]) {
    assert.deepEqual(victims(told), pids);
    const repeats = told.filter(({ repeat }) => repeat);
    assert.equal(repeats.length, 1);
    const group = told.find(({ kind }) => kind === "group");
    const members = new Set([
      ...(group?.members ?? []),
      ...kills(told).flatMap((kill) => (kill.incident === group?.incident ? [kill.sequence] : [])),
    ]);
    assert.equal(members.size, pids.length);
  }
});

test("a cgroup removed at once is still named", { skip }, () => {
  const { truth, probe } = scenario("vanishing");
  assert.deepEqual(
    kills(probe).map(({ cgroup }) => [cgroup?.path, cgroup?.id, cgroup?.basis]),
    [[truth.path, truth.id, "probe"]],
  );
});

test("deeper than the probe reads: right or unknown", { skip }, () => {
  const { truth, probe } = scenario("deep");
  assert.equal(victims(probe).length, 1);
  for (const { cgroup } of kills(probe)) assert.equal(cgroup?.path ?? truth.path, truth.path);
});

test("a directory named to look like another is not taken for it", { skip }, () => {
  const { truth, probe, tracefs } = scenario("quote");
  assert.equal(victims(probe).length, 1);
  for (const { cgroup } of [...kills(probe), ...kills(tracefs)]) {
    assert.equal(cgroup?.path ?? truth.path, truth.path);
  }
});

test("who shares the victim's memory dies with it, and is not counted", { skip }, () => {
  const { rows } = (read("sharer") as { truth: { rows: { pid?: number }[] } }).truth;
  const { probe } = scenario("sharer");
  assert.equal(victims(probe).length, 1);
  const sharers = new Set(
    probe.filter(({ counted }) => counted === false).map(({ victim }) => victim.tid),
  );
  assert.deepEqual(
    new Set([...victims(probe), ...sharers]),
    new Set(rows.flatMap(({ pid }) => (pid === undefined ? [] : [pid]))),
  );
});

test("a killed agent's probe goes on recording, and the next agent reads it", { skip }, () => {
  const { truth, probe, events } = read("absent") as Scenario & { events: string };
  assert.deepEqual(
    victims(probe),
    [...truth.pids].sort((a, b) => a - b),
  );
  for (const { cgroup } of kills(probe)) {
    assert.deepEqual([cgroup?.path, cgroup?.id], [truth.path, truth.id]);
  }
  assert.equal(events, "p:others/theirs do_exit\n");
});
