import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { chownSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { SourceRecord } from "../../src/model/record.ts";
import { FakeEngine } from "../fake-engine.ts";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { assertSame } from "./support/compare.ts";
import { storm, stormCgroups } from "./support/storm.ts";

/** nobody, with no group of any socket. */
const UID = 65_534;
const ROOT = resolve(import.meta.dirname, "../..");
const OOMWITNESS = resolve(ROOT, "bin/oomwitness");
const CAPABILITIES = ["CAP_SYSLOG", "CAP_DAC_OVERRIDE"];
const SETS = [[], ["CAP_SYSLOG"], ["CAP_DAC_OVERRIDE"], CAPABILITIES];

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "needs root, to become another user";
  if (spawnSync("setpriv", ["--version"]).error !== undefined) {
    return "setpriv is not installed: apt-get install util-linux";
  }
  const [program = "", ...words] = asUser([]);
  const readable = spawnSync(program, [...words, "cat", OOMWITNESS]);
  return readable.status === 0 ? null : "an ordinary user may not read this clone";
}

/** The words before a command that make it one of a user with these capabilities and no others. */
function asUser(capabilities: readonly string[]): string[] {
  const names = capabilities.map((name) => `,+${name.replace("CAP_", "").toLowerCase()}`);
  const set = `-all${names.join("")}`;
  const caps = ["inh-caps", "ambient-caps", "bounding-set"].map((what) => `--${what}=${set}`);
  const user = [`--reuid=${UID}`, `--regid=${UID}`, "--clear-groups"];
  return ["setpriv", ...user, ...caps, "env", "HOME=/nonexistent"];
}

/** Sources that are up, by `doctor` of a user. */
async function sourcesUp(words: readonly string[], dockerSocket: string): Promise<Set<string>> {
  const doctor = [OOMWITNESS, "doctor", "--json", "--patience", "20"];
  const [program = "", ...args] = [...words, ...doctor, "--docker-socket", dockerSocket];
  const { stdout } = await promisify(execFile)(program, args);
  const { items } = JSON.parse(stdout) as { items: SourceRecord[] };
  return new Set(items.filter(({ state }) => state === "up").map(({ source }) => source));
}

/** `source → capability` of docs/security.md; `null` where it needs none. */
function documented(): Map<string, string | null> {
  const text = readFileSync(resolve(ROOT, "docs/security.md"), "utf8");
  const rows = text.matchAll(/^\| `([a-z-]+)` \| (?:(CAP_[A-Z_]+)|–)/gm);
  return new Map([...rows].map(([, source = "", capability]) => [source, capability ?? null]));
}

/** Where the log is open to everybody it needs nothing. */
function needed(source: string, capability: string | null): string | null {
  const restricted = readFileSync("/proc/sys/kernel/dmesg_restrict", "utf8").trim() === "1";
  return source === "kernel-log" && !restricted ? null : capability;
}

const skip = whyNot() ?? false;

test("each source needs what docs/security.md says, and nothing else", { skip }, async (t) => {
  const engine = new FakeEngine();
  await engine.start();
  t.after(() => engine.dispose());
  const table = documented();
  assert.equal(table.size, 9);
  const possible = await sourcesUp(["env", "HOME=/root"], engine.socket);
  t.diagnostic(`up as root: ${[...possible].join(", ")}`);
  for (const source of ["cgroup", "vmstat", "docker"]) assert.ok(possible.has(source), source);
  for (const capabilities of SETS) {
    const up = await sourcesUp(asUser(capabilities), engine.socket);
    const expected = [...table].filter(([source, capability]) => {
      const need = needed(source, capability);
      return possible.has(source) && (need === null || capabilities.includes(need));
    });
    assert.deepEqual(
      [...up].toSorted(),
      expected.map(([source]) => source).toSorted(),
      `with ${capabilities.join(" and ") || "no capability"}`,
    );
  }
});

test("an agent of a user with two capabilities records kills as root's does", {
  skip: skip === false ? (whyNoV1Kills() ?? false) : skip,
}, async () => {
  process.env["OOMWITNESS_TRACE_INSTANCE"] = `oomwitness-test-user-${process.pid}`;
  const [program = "", ...words] = asUser(CAPABILITIES);
  const agent = await TestAgent.create([program, ...words, OOMWITNESS]);
  chownSync(agent.stateDirectory, UID, UID);
  const world = stormCgroups(2);
  try {
    await agent.start();
    const truth = (
      await Promise.all(world.cgroups.map((cgroup) => storm(cgroup, { kills: 10 })))
    ).flat();
    await agent.settle();
    const kills = agent.own(await agent.kills());
    assertSame(kills, truth);
    assert.equal((await agent.ledger()).unaccounted, 0);
    const witnesses = new Set(kills.flatMap((kill) => kill.witnesses));
    for (const source of ["kernel-log", "tracefs"] as const)
      assert.ok(witnesses.has(source), source);
    const { uid, mode } = statSync(`${agent.stateDirectory}/oomwitness.db`);
    assert.deepEqual([uid, (mode & 0o777).toString(8)], [UID, "640"]);
  } finally {
    await agent.dispose();
    world.remove();
  }
});
