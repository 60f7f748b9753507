import assert from "node:assert/strict";
import { before, describe, type TestContext, test } from "node:test";
import { type GuestResult, guestAvailable } from "../../lab/guest/guest.ts";
import type { Truth } from "../../lab/lab.ts";
import type {
  KillRecord,
  LedgerRecord,
  OutputRecord,
  SourceRecord,
} from "../../src/model/record.ts";
import { assertSame, describeTally, type Tally } from "./support/compare.ts";
import { runInEmulatedGuest } from "./support/emulated-guest.ts";

/** The installed kernel, the oldest and the newest that can be had. */
const KERNELS = [undefined, "5.10", "7.2"];

interface Scenario {
  readonly truth: readonly Truth[];
  readonly ledger: LedgerRecord;
  /** `oom-kill:` lines the kernel printed meanwhile: the only lines that name a cgroup. */
  readonly named: number;
}

interface End {
  /** Path of the cgroup that holds all others. */
  readonly parent: string;
  readonly kills: readonly KillRecord[];
  readonly ledger: LedgerRecord;
  readonly sources: readonly SourceRecord[];
}

interface Watched {
  readonly exitCode: number | null;
  readonly records: readonly OutputRecord[];
}

interface Stream {
  readonly sequences: readonly number[];
  readonly opened: readonly string[];
}

interface Selftest {
  readonly exitCode: number | null;
  readonly result: {
    readonly recorded: number;
    readonly pid: number;
    readonly items: readonly { readonly source: string; readonly saw: boolean }[];
    readonly ledger: LedgerRecord;
  };
}

/** What one boot of the guest left. */
class Findings {
  #saved: Readonly<Record<string, string>> = {};

  async collect(kernel: string | undefined): Promise<void> {
    const result = await runProgram(kernel);
    assert.equal(result.exitCode, 0, result.output);
    this.#saved = result.files;
  }

  scenario(name: string): Scenario {
    return this.#read(name) as Scenario;
  }

  watched(name: string): Watched {
    return this.#read(name) as Watched;
  }

  get end(): End {
    return this.#read("end") as End;
  }

  get stream(): Stream {
    return this.#read("stream") as Stream;
  }

  get selftest(): Selftest {
    return this.#read("selftest") as Selftest;
  }

  /** Whether the kernel itself named the cgroups. */
  get probed(): boolean {
    return this.end.sources.some(({ source, state }) => source === "probe" && state === "up");
  }

  /** The records of the cgroups at or below this one. */
  at(name: string): readonly KillRecord[] {
    const path = `${this.end.parent}/${name}`;
    return this.end.kills.filter(({ cgroup }) => isAtOrBelow(cgroup.path, path));
  }

  truthAt(scenario: string, name: string): readonly Truth[] {
    const path = `${this.end.parent}/${name}`;
    return this.scenario(scenario).truth.filter(({ cgroup }) => isAtOrBelow(cgroup, path));
  }

  /** Records of these victims, and those in the same place whose victim is unknown. */
  recordsOf(truth: readonly Truth[]): {
    readonly victims: readonly KillRecord[];
    readonly unknown: readonly KillRecord[];
  } {
    const tids = new Set(truth.map(({ tid }) => tid));
    const { kills } = this.end;
    return {
      victims: kills.filter(({ victim }) => victim.tid !== null && tids.has(victim.tid)),
      unknown: kills.filter(({ victim }) => victim.tid === null),
    };
  }

  #read(name: string): unknown {
    return JSON.parse(this.#saved[`${name}.json`] ?? "null");
  }
}

function runProgram(kernel: string | undefined): Promise<GuestResult> {
  return runInEmulatedGuest({
    // Emulated processors spend most of the start of a program on compiling it.
    script:
      "ifconfig lo up; mkdir -m 1777 /tmp/compiled; NODE_COMPILE_CACHE=/tmp/compiled /usr/bin/node test/e2e/guest-agent.ts",
    timeoutSeconds: 400,
    ...(kernel === undefined ? {} : { kernel }),
  });
}

for (const kernel of KERNELS) {
  const available = guestAvailable(kernel);
  const skip = available.ok ? false : available.reason;
  const name = `the program on cgroup v2, kernel ${kernel ?? "as installed"}`;
  describe(name, { skip }, () => tryOn(kernel));
}

function isAtOrBelow(path: string | null, above: string): boolean {
  return path === above || path?.startsWith(`${above}/`) === true;
}

function tryOn(kernel: string | undefined): void {
  const found = new Findings();
  before(() => found.collect(kernel));
  tryStorms(found);
  trySituations(found);
  tryCommands(found);
}

/** Records against what the parents of the dead saw. With the probe every cgroup is the kernel's own word. */
function compare(found: Findings, name: string, t: TestContext): Tally {
  const { truth, ledger, named } = found.scenario(name);
  // After the crashes there may be kills of which only counters were left to tell: they are counted there.
  const known = found.end.kills.filter(
    ({ victim, recovered }) => victim.tid !== null || !recovered,
  );
  const tally = assertSame(known, truth);
  t.diagnostic(
    `${truth.length} kills: ${describeTally(tally)}; unaccounted ${ledger.unaccounted}; the kernel log named the cgroup of ${named}`,
  );
  assert.equal(ledger.unaccounted, 0);
  assert.equal(tally.none, 0);
  return tally;
}

function tryStorms(found: Findings): void {
  for (const [name, kills] of [
    ["storm", 300],
    ["storms", 500],
  ] as const) {
    test(`${name}: ${kills} kills, each recorded once on its own cgroup`, (t) => {
      const tally = compare(found, name, t);
      assert.equal(found.scenario(name).truth.length, kills);
      if (found.probed) assert.deepEqual(tally, { exact: kills, inferred: 0, none: 0 });
      else t.diagnostic("the probe cannot work on this kernel");
    });
  }

  test("kill -9 in the middle of a storm, twice: same totals, nothing twice", (t) => {
    const { truth, ledger } = found.scenario("crash");
    const { victims, unknown } = found.recordsOf(truth);
    assert.equal(new Set(victims.map(({ victim }) => victim.tid)).size, victims.length, "twice");
    assert.equal(victims.length + unknown.length, truth.length, "records against true kills");
    const places = new Map(truth.map(({ tid, cgroup }) => [tid, cgroup]));
    const wrong = victims.filter(({ victim, cgroup }) => {
      const place = places.get(victim.tid ?? -1) ?? assert.fail(`nobody was ${victim.tid}`);
      return cgroup.path !== null && !isAtOrBelow(place, cgroup.path);
    });
    assert.ok(
      wrong.every(({ attribution }) => attribution === "inferred"),
      JSON.stringify(wrong),
    );
    // What the trace had given to the agent when that was killed, only log and counters still tell: a conclusion may fail.
    assert.ok(wrong.length <= truth.length / 100, `${wrong.length} inferred cgroups are wrong`);
    assert.equal(ledger.unaccounted, 0);
    const count = (by: (record: KillRecord) => boolean) => victims.filter(by).length;
    t.diagnostic(
      `${truth.length} kills: ${describeTally(tallyOf(victims))}, inferred wrongly ${wrong.length}, unknown victims ${unknown.length}; recovered ${count(({ recovered }) => recovered)}; unaccounted ${ledger.unaccounted}`,
    );
  });

  test("who follows the events through both crashes is told each kill once, with no gap", () => {
    const { sequences, opened } = found.stream;
    const first = sequences[0] ?? assert.fail("nothing came");
    assert.deepEqual(
      sequences,
      sequences.map((_, index) => first + index),
    );
    assert.equal(new Set(opened).size, opened.length, "a kill was opened twice");
    const until = ["small", "storm", "storms", "crash"].flatMap((name) => [
      ...found.scenario(name).truth,
    ]);
    assert.equal(opened.length, until.length);
  });
}

function trySituations(found: Findings): void {
  test("a group kill is one incident with 20 kills", (t) => {
    compare(found, "small", t);
    const kills = found.at("group");
    assert.equal(kills.length, 20);
    assert.equal(new Set(kills.map(({ incident }) => incident.id)).size, 1);
    assert.ok(kills.every(({ incident }) => incident.group));
  });

  test("the limit of a pod: the container is the victim, the parent the limit", () => {
    const [kill, ...others] = found.at("pod");
    assert.equal(others.length, 0);
    assert.deepEqual(kill?.limit, {
      scope: "ancestor",
      constraint: "memcg",
      cgroup: `${found.end.parent}/pod`,
      bytes: 10 << 20,
    });
    assert.equal(kill?.cgroup.path, `${found.end.parent}/pod/container`);
    assert.equal(kill?.incident.group, false);
  });

  test("a nested cgroup that is removed right after its kill is named all the same", () => {
    for (let index = 0; index < 5; index++) {
      const truth = found.truthAt("small", `brief${index}`);
      const kills = found.at(`brief${index}`);
      const paths = kills.map(({ cgroup }) => cgroup.path);
      assert.deepEqual(
        paths,
        truth.map(({ cgroup }) => cgroup),
      );
    }
  });

  test("all kills of the machine have one record, and the books agree", () => {
    const { kills, ledger } = found.end;
    const names = ["small", "storm", "storms", "crash", "unprivileged"];
    const deaths = names.reduce((sum, name) => sum + found.scenario(name).truth.length, 0);
    // The one more is the selftest's.
    assert.equal(kills.length, deaths + 1);
    // A crash may leave one kill for which only the log spoke.
    const unattributed = kills.filter(({ attribution }) => attribution === "none").length;
    assert.deepEqual(
      [ledger.kernel, ledger.recorded, ledger.unaccounted, ledger.unattributed],
      [deaths + 1, deaths + 1, 0, unattributed],
    );
    for (const { victim } of kills) assert.notEqual(victim.pid, 0, "unknown is null");
  });
}

function tryCommands(found: Findings): void {
  test("watch beside the agent tells the same kills by the same ids", () => {
    const { exitCode, records } = found.watched("watch");
    assert.equal(exitCode, 0);
    const opened = openings(records).map(({ id }) => id);
    const { truth } = found.scenario("small");
    const pids = new Set(truth.map(({ pid }) => pid));
    const ids = found.end.kills.filter(({ victim }) => pids.has(victim.pid ?? -1));
    assert.deepEqual(opened.toSorted(), ids.map(({ id }) => id).toSorted());
  });

  test("watch without privilege says what it cannot see, and reports kills all the same", () => {
    const { exitCode, records } = found.watched("nobody");
    assert.equal(exitCode, 0);
    const states = new Map(
      records.flatMap((one) => (one.type === "source" ? [[one.source, one] as const] : [])),
    );
    for (const source of ["kernel-log", "tracefs", "probe"] as const) {
      assert.equal(states.get(source)?.state, "unavailable", source);
      assert.match(states.get(source)?.reason ?? "", /Run as root/, source);
    }
    for (const source of ["cgroup", "vmstat"] as const) {
      assert.equal(states.get(source)?.state, "up", source);
    }
    const kills = openings(records);
    assert.equal(kills.length, found.scenario("unprivileged").truth.length);
    for (const { victim, cgroup } of kills) {
      assert.deepEqual([victim.pid, victim.tid, victim.comm], [null, null, null]);
      assert.equal(cgroup.path, `${found.end.parent}/seen-by-nobody`);
    }
  });

  test("selftest passes: recorded exactly once, seen by every source", (t) => {
    const { exitCode, result } = found.selftest;
    assert.equal(exitCode, 0);
    assert.equal(result.recorded, 1);
    assert.equal(result.ledger.unaccounted, 0);
    const saw = result.items.filter((item) => item.saw).map(({ source }) => source);
    t.diagnostic(`seen by ${saw.join(", ")}`);
    const up = found.end.sources.filter(({ state }) => state === "up");
    assert.equal(saw.length, up.length);
  });
}

function tallyOf(records: readonly KillRecord[]): Tally {
  const of = (wanted: string) => records.filter(({ attribution }) => attribution === wanted).length;
  return { exact: of("exact"), inferred: of("inferred"), none: of("none") };
}

/** Each kill as it was first told. */
function openings(records: readonly OutputRecord[]): KillRecord[] {
  return records.flatMap((record) =>
    record.type === "kill" && record.revision === 0 ? [record] : [],
  );
}
