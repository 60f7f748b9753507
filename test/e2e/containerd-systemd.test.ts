import assert from "node:assert/strict";
import { before, describe, type TestContext, test } from "node:test";
import { type GuestResult, guestAvailable, runInGuest } from "../../lab/guest/guest.ts";
import { makeSystemdDisk, SYSTEMD_SUITES, type SystemdSuite } from "../../lab/guest/systemd.ts";
import type { KillRecord } from "../../src/model/record.ts";
import { ATTEMPTS, EXIT_EMULATOR_FAULT } from "./support/emulated.ts";
import { type ContainerDeath, Findings, type UnitDeath } from "./support/systemd-findings.ts";

// systemd makes and removes the cgroups here: of containers, as scopes for containerd and runc, and of its own units.

const PODS = Number(process.env["SYSTEMD_PODS"] ?? 4);
const ROUNDS = Number(process.env["SYSTEMD_ROUNDS"] ?? 5);
const LIMIT_BYTES = 15 << 20;
/** It takes 70 s where nothing else runs. */
const TIMEOUT_SECONDS = 400;

for (const suite of wantedSuites()) {
  const reason = whyNot(suite);
  if (reason !== null) console.log(`SKIPPED, kills under systemd, Debian ${suite}: ${reason}`);
  describe(`kills under systemd, Debian ${suite}`, { skip: reason ?? false }, () => tryOn(suite));
}

/** `SYSTEMD_SUITES="bookworm trixie"`; each costs a minute, and the first time another one for its disk. */
function wantedSuites(): readonly SystemdSuite[] {
  const words = (process.env["SYSTEMD_SUITES"] ?? "bookworm").split(/[\s,]+/).filter(Boolean);
  return words.map((word) => {
    const found = SYSTEMD_SUITES.find((suite) => suite === word);
    return found ?? assert.fail(`SYSTEMD_SUITES: ${word} is none of ${SYSTEMD_SUITES.join(", ")}`);
  });
}

function whyNot(suite: SystemdSuite): string | null {
  const available = guestAvailable();
  if (!available.ok) return available.reason;
  let reason = `no disk of Debian ${suite}`;
  const disk = makeSystemdDisk(suite, (told) => {
    reason = told;
  });
  return disk === null ? reason : null;
}

async function collect(systemd: SystemdSuite): Promise<Findings> {
  for (let attempt = 1; ; attempt++) {
    const result = await runProgram(systemd);
    if (result.exitCode === EXIT_EMULATOR_FAULT && attempt < ATTEMPTS) {
      console.log(`  Node died of a fault of the emulated processor, once more:\n${result.output}`);
      continue;
    }
    assert.equal(result.exitCode, 0, result.output);
    return new Findings(result.files);
  }
}

function runProgram(systemd: SystemdSuite): Promise<GuestResult> {
  const environment = `PODS=${PODS} ROUNDS=${ROUNDS} NODE_COMPILE_CACHE=/tmp/compiled`;
  return runInGuest({
    // Emulated processors spend most of the start of a program on compiling it.
    script: `ifconfig lo up; mkdir -p -m 1777 /tmp/compiled; ${environment} node test/e2e/guest-systemd.ts`,
    timeoutSeconds: TIMEOUT_SECONDS,
    systemd,
  });
}

type Found = () => Findings;

function tryOn(suite: SystemdSuite): void {
  let findings: Findings | null = null;
  const found = () => findings ?? assert.fail("the guest left nothing");
  before(async () => {
    findings = await collect(suite);
  });
  tryContainers(found);
  trySurvivor(found);
  tryUnits(found);
  tryBooks(found);
}

function tryContainers(found: Found): void {
  test("the kernel counted one kill a container, and containerd missed some", (t) => {
    const { containers } = found();
    const { version, kernel, slice, deaths, failures, oomEvents } = containers;
    const count = (word: string) => deaths.filter(({ reason }) => reason === word).length;
    t.diagnostic(
      `${version}: ${deaths.length} containers killed, the kernel counted ${kernel}; containerd called ` +
        `${count("OOMKilled")} OOMKilled and ${count("Error")} Error, TaskOOM for ${oomEvents.length}; ` +
        `could not start ${failures.length}`,
    );
    assert.equal(deaths.length, PODS * ROUNDS);
    assert.equal(count("OOMKilled") + count("Error"), deaths.length);
    const total = deaths.length + killsAtStart(found()) + 1;
    assert.deepEqual([kernel, slice], [total, total]);
    for (const { exitCode } of deaths) assert.equal(exitCode, 137);
  });

  test("every kill is recorded once, on its container and pod", (t) => {
    const { containers } = found();
    for (const death of containers.deaths) {
      const [kill, ...others] = found().killsOf(death.id);
      assert.equal(others.length, 0, `more than one record of ${death.id}`);
      assertWhose(kill ?? assert.fail(`no record of the kill in ${death.id}`), death);
    }
    for (const { id, podUid } of containers.failures) {
      for (const kill of found().killsAt(`${slicesOf(podUid)}/cri-containerd-${id}.scope`)) {
        assert.deepEqual([kill.container?.id, kill.pod?.uid], [id, podUid]);
        // Whoever is killed there would have become the main process.
        assert.deepEqual([kill.victim.main, kill.visibility], [true, "visible"]);
        const verdicts = found()
          .exitsOf(id)
          .map(({ verdict }) => verdict);
        assert.deepEqual(verdicts, ["oom-unreported"], "a failed start");
      }
    }
    t.diagnostic(`${containers.deaths.length} of ${containers.deaths.length}, none missed`);
  });

  test("every container's end is told once, after its kill, with the right verdict", (t) => {
    const verdicts = found().containers.deaths.map((death) => judgeExit(found(), death));
    const count = (word: string) => verdicts.filter((verdict) => verdict === word).length;
    t.diagnostic(`oom-killed ${count("oom-killed")}, oom-unreported ${count("oom-unreported")}`);
  });
}

/** Kills of runc itself, before there was a container. */
function killsAtStart(findings: Findings, pod?: string): number {
  const failures = findings.containers.failures.filter((one) => (pod ?? one.pod) === one.pod);
  const kills = failures.map(({ id, podUid }) => {
    const [kill, ...others] = findings.killsAt(`${slicesOf(podUid)}/cri-containerd-${id}.scope`);
    assert.equal(others.length, 0);
    return kill === undefined ? 0 : 1;
  });
  return kills.reduce<number>((sum, count) => sum + count, 0);
}

function assertWhose(kill: KillRecord, death: ContainerDeath): void {
  const { cgroup, container, pod, limit } = kill;
  assert.match(
    cgroup.path ?? "",
    new RegExp(`^${slicesOf(death.podUid)}/cri-containerd-${death.id}.scope$`),
  );
  assert.deepEqual(limit, {
    scope: "container",
    constraint: "memcg",
    cgroup: cgroup.path,
    bytes: LIMIT_BYTES,
  });
  assert.deepEqual([container?.runtime, container?.name], ["containerd", "box"]);
  assert.deepEqual(
    [pod?.namespace, pod?.name, pod?.uid, pod?.container, pod?.qosClass],
    [death.namespace, death.pod, death.podUid, "box", "Burstable"],
  );
  assert.deepEqual([kill.victim.comm, kill.victim.main, kill.visibility], ["dd", true, "visible"]);
  assert.deepEqual([kill.attribution, kill.outcome, kill.unit], ["exact", "killed", null]);
}

function slicesOf(podUid: string): string {
  const pod = `kubepods-burstable-pod${podUid.replaceAll("-", "_")}.slice`;
  return `/kubepods.slice/kubepods-burstable.slice/${pod}`;
}

/** Whether the runtime noticed, by its CRI or by an event: systemd may have removed the scope before it looked. */
function wasNoticed(findings: Findings, { id, reason }: ContainerDeath): boolean {
  return reason === "OOMKilled" || findings.containers.oomEvents.includes(id);
}

function judgeExit(findings: Findings, death: ContainerDeath): string {
  const [exit, ...others] = findings.exitsOf(death.id);
  assert.equal(others.length, 0, `more than one exit of ${death.id}`);
  assert.ok(exit !== undefined, `no exit of ${death.id}`);
  assert.deepEqual([exit.exitCode, exit.signal], [137, 9]);
  assert.deepEqual([exit.pod?.name, exit.pod?.uid], [death.pod, death.podUid]);
  const kill = findings.killsOf(death.id)[0]?.id ?? "none";
  assert.deepEqual(exit.kills, [kill]);
  const { records } = findings.end;
  const killAt = records.findIndex((record) => record.type === "kill" && record.id === kill);
  assert.ok(killAt >= 0 && killAt < records.indexOf(exit), `${death.id}: the exit was told first`);
  const expected = wasNoticed(findings, death) ? "oom-killed" : "oom-unreported";
  assert.equal(exit.verdict, expected, `${death.id}, which containerd called ${death.reason}`);
  return exit.verdict;
}

function trySurvivor(found: Found): void {
  test("a child is killed in a container that goes on: invisible, and its end in good order is no OOM kill", (t) => {
    const { survivor } = found().containers;
    const [kill, ...others] = found().killsOf(survivor.id);
    assert.equal(others.length, 0);
    assert.deepEqual(
      [kill?.victim.comm, kill?.victim.main, kill?.visibility, kill?.pod?.name],
      ["dd", false, "invisible", survivor.pod],
    );
    const [exit, ...more] = found().exitsOf(survivor.id);
    assert.equal(more.length, 0);
    assert.deepEqual([exit?.exitCode, exit?.kills], [0, [kill?.id]]);
    t.diagnostic(`containerd calls its exit ${survivor.exitCode} ${survivor.reason}`);
    assert.equal(exit?.verdict, wasNoticed(found(), survivor) ? "oom-stale" : "not-oom");
  });
}

function tryUnits(found: Found): void {
  const unit = (name: string) =>
    found().units.find((one) => one.unit === name) ?? assert.fail(`no unit ${name}`);

  test("a kill in a service, an instance and a user's scope names the unit", () => {
    for (const name of ["lab-alone.service", "lab-many@a-b.service", "lab-mine.scope"]) {
      const death = unit(name);
      const [kill] = assertUnit(found(), death);
      assert.deepEqual([kill?.limit.scope, kill?.limit.cgroup], ["cgroup", death.cgroup]);
      if (death.mainPid !== null) assert.equal(kill?.victim.pid, death.mainPid);
    }
  });

  test("the limit of a slice above the unit is the slice's", () => {
    const [kill] = assertUnit(found(), unit("lab-below.service"));
    assert.deepEqual([kill?.limit.scope, kill?.limit.cgroup], ["ancestor", "/lab.slice"]);
  });

  test("a child is killed: one kill, whether systemd lets the unit live or ends it", () => {
    for (const [name, state] of [
      ["lab-family.service", "active"],
      ["lab-stopped.service", "failed"],
    ] as const) {
      const death = unit(name);
      assert.equal(death.state, state);
      const [kill, ...others] = assertUnit(found(), death);
      assert.equal(others.length, 0);
      assert.notEqual(kill?.victim.pid, death.mainPid);
    }
  });

  test("OOMPolicy=kill: one incident with all its kills", (t) => {
    const kills = assertUnit(found(), unit("lab-group.service"));
    t.diagnostic(`${kills.length} of 4 processes were the kernel's, the others systemd's`);
    assert.equal(new Set(kills.map(({ incident }) => incident.id)).size, 1);
    assert.ok(kills.every(({ incident }) => incident.group));
  });
}

/** Each process that the kernel killed in the unit has one record, which names it. */
function assertUnit(findings: Findings, death: UnitDeath): readonly KillRecord[] {
  const kills = findings.killsAt(death.cgroup);
  const pids = kills.map(({ victim }) => victim.pid ?? 0).toSorted((a, b) => a - b);
  const truth = [...new Set(death.killedPids)].toSorted((a, b) => a - b);
  assert.ok(truth.length > 0, `${death.unit}: nothing was killed`);
  assert.deepEqual(pids, truth, `records of ${death.unit}`);
  for (const { unit, container, pod, limit } of kills) {
    assert.deepEqual([unit, container, pod], [death.unit, null, null]);
    assert.equal(limit.bytes, LIMIT_BYTES);
  }
  return kills;
}

function tryBooks(found: Found): void {
  test("the metrics count the same under the same names", () => {
    const { containers, units, end } = found();
    const kills = (...labels: string[]) => found().sumOf("oomwitness_kills_total", ...labels);
    assert.equal(kills(), end.kills.length);
    const exits = (label: string) =>
      found().sumOf("oomwitness_container_exits_total", 'namespace="stress"', label);
    const noticed = containers.deaths.filter((death) => wasNoticed(found(), death)).length;
    const verdicts = ["oom-killed", "oom-unreported"].map((verdict) =>
      exits(`verdict="${verdict}"`),
    );
    const neverRan = containers.failures.flatMap(({ id }) => found().exitsOf(id));
    const hidden = neverRan.filter(({ verdict }) => verdict === "oom-unreported").length;
    assert.deepEqual(verdicts, [noticed, containers.deaths.length - noticed + hidden]);
    for (const pod of new Set(containers.deaths.map((death) => death.pod))) {
      const named = kills(`pod="${pod}"`, 'container="box"', 'scope="container"');
      assert.equal(named, ROUNDS + killsAtStart(found(), pod), pod);
    }
    const invisible = (...labels: string[]) =>
      found().sumOf("oomwitness_invisible_kills_total", ...labels);
    assert.deepEqual([invisible('pod="survivor"'), invisible()], [1, 1]);
    for (const { unit, killedPids } of units) {
      assert.equal(kills(`container="${unit}"`), new Set(killedPids).size, unit);
    }
  });

  test("no record too many, and the books agree", (t: TestContext) => {
    const { end, containers, units } = found();
    const inUnits = units.reduce((sum, { killedPids }) => sum + new Set(killedPids).size, 0);
    const total = containers.deaths.length + killsAtStart(found()) + 1 + inUnits;
    const { kernel, recorded, unaccounted, unattributed } = end.ledger;
    assert.deepEqual([kernel, recorded, unaccounted, unattributed], [total, total, 0, 0]);
    assert.equal(end.kills.length, total);
    const exact = end.kills.filter(({ attribution }) => attribution === "exact").length;
    const up = end.sources.filter(({ state }) => state === "up").map(({ source }) => source);
    t.diagnostic(`${total} kills, ${exact} exact; sources up: ${up.join(", ")}`);
    for (const { source, lost } of end.sources) assert.equal(lost, 0, `${source} lost evidence`);
  });
}
