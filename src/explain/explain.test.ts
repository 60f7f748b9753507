import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Explanation } from "../model/explanation.ts";
import type { OomReport, TaskRow } from "../model/report.ts";
import { explainRecord, explainReport } from "./explain.ts";
import { RULES } from "./rules.ts";
import {
  CONTAINER_PATH,
  facts,
  killOf,
  MAIN,
  MIB,
  node,
  nodeReport,
  POD_PATH,
  report,
  stats,
  task,
  WORKER,
  zone,
} from "./testing.ts";

const SEED = 20261121;

/** Names that try something. */
const comm = fc.oneof(
  fc.constantFrom(
    "java",
    "node",
    "postgres",
    "x) Killed process 1 (init",
    "\x1b[2J",
    "|`@all`",
    "",
  ),
  fc.string({ unit: "binary", maxLength: 15 }),
);
const bytes = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 40 }),
  fc.constantFrom(0, 4096, 100 * MIB, Number.MAX_SAFE_INTEGER),
);
const row: fc.Arbitrary<TaskRow> = fc
  .tuple(comm, fc.integer({ min: 1, max: 99_999 }), bytes, fc.integer({ min: -1000, max: 1000 }))
  .map(([name, pid, rssBytes, oomScoreAdj]) =>
    task(name, pid, 0, { rssBytes, anonRssBytes: rssBytes, oomScoreAdj }),
  );
const usage = fc.option(
  fc.record({ usageBytes: bytes, limitBytes: fc.option(bytes), failCount: fc.option(fc.nat()) }),
);
const path = fc.constantFrom(
  CONTAINER_PATH,
  POD_PATH,
  "/kubepods.slice",
  "/system.slice/a.service",
  "/",
  `/${"\u202e".repeat(40)}`,
);
const counters = fc.dictionary(
  fc.constantFrom(
    "active_anon",
    "inactive_anon",
    "shmem",
    "free",
    "slab_unreclaimable",
    "pagetables",
  ),
  bytes,
);
const cgroupValues = fc.dictionary(
  fc.constantFrom(
    "anon",
    "file",
    "shmem",
    "file_dirty",
    "unevictable",
    "kernel",
    "sock",
    "slab_unreclaimable",
    "total_rss",
    "total_cache",
  ),
  bytes,
);
const anyReport: fc.Arbitrary<OomReport> = fc
  .record({
    constraint: fc.constantFrom("memcg", "none", "cpuset", "memory_policy", null),
    outcome: fc.constantFrom("killed", "unknown", "none-killable", "panic", "summary"),
    tasks: fc.array(row, { maxLength: 30 }),
    victims: fc.array(fc.nat({ max: 29 }), { maxLength: 3 }),
    limitCgroup: fc.option(path),
    victimPath: fc.option(path),
    memory: usage,
    swap: usage,
    memorySwap: usage,
    values: cgroupValues,
    counters,
    usableBytes: fc.option(bytes),
    zones: fc.array(
      fc.constantFrom(zone("DMA", {}), zone("Normal", { free: 90 }), zone("Other", {})),
      { maxLength: 3 },
    ),
    kernelRelease: fc.constantFrom(null, "2.6.32-1.el6", "3.13.0", "4.9.0", "5.8.0", "6.12.1", "x"),
    order: fc.constantFrom(-1, 0, 3, 11, null),
    sysrq: fc.boolean(),
    group: fc.boolean(),
  })
  .map((parts) => {
    const { victims, victimPath, values, group, order, tasks } = parts;
    const kills = victims.map((index) =>
      killOf(tasks[index] ?? WORKER, { cgroupPath: victimPath }),
    );
    return report({
      ...parts,
      kills,
      trigger: {
        comm: "asker",
        pid: 7,
        gfpMask: null,
        gfpFlags: ["GFP_KERNEL"],
        order,
        oomScoreAdj: 0,
      },
      cgroupStats: stats({}).map((one) => ({ ...one, values })),
      node: {
        ...node(),
        zones: parts.zones,
        counters: parts.counters,
        usableBytes: parts.usableBytes,
      },
      groupCgroup: group ? CONTAINER_PATH : null,
    });
  });

function always(check: (explanation: Explanation, of: OomReport) => void): void {
  fc.assert(
    fc.property(anyReport, (of) => {
      const explanation = explainReport(of, of.kills[0] ?? null);
      check(explanation, of);
    }),
    { seed: SEED, numRuns: 1000 },
  );
}

test("law: never 'raise the limit' where none was hit", () => {
  always(({ advice }, of) => {
    if (of.constraint === "memcg" && !of.sysrq) return;
    for (const { sentence, rule } of advice)
      assert.doesNotMatch(sentence, /\b(?:raise|increase|enlarge|higher)\b.*\blimit/i, rule);
  });
});

test("law: of a kill by hand only who died is told: nothing had run out", () => {
  const spoken = new Set([
    "sysrq",
    "panic",
    "none-killable",
    "unknown-victim",
    "group",
    "victim",
    "lost-evidence",
  ]);
  always(({ findings, advice }, of) => {
    if (!of.sysrq) return;
    for (const { rule } of [...findings, ...advice]) assert.ok(spoken.has(rule), rule);
  });
});

test("law: sentences are short, whole and plain, and each finding has evidence", () => {
  always(({ headline, findings, advice }) => {
    assert.ok(headline.length > 0 && headline.length <= 120, headline);
    for (const { sentence, evidence, rule } of findings) {
      assert.ok(evidence.length > 0 && evidence.every((line) => line.length <= 300), rule);
      assert.ok(sentence.length <= 200, `${rule}: ${sentence}`);
    }
    const texts = [
      headline,
      ...findings.flatMap(({ sentence, evidence }) => [sentence, ...evidence]),
      ...advice.flatMap(({ sentence, reason }) => [sentence, reason]),
    ];
    for (const text of texts) {
      assert.doesNotMatch(text, /undefined|NaN|null|Infinity|[\x00-\x1f\x7f\u202e]/, text);
    }
  });
});

test("law: the victim is in the ranking, which is bounded and in order", () => {
  always(({ ranking, taskCount }, of) => {
    assert.ok(ranking.length <= 20);
    assert.equal(taskCount, of.tasks.length === 0 ? null : of.tasks.length);
    const victim = of.kills[0]?.victim.pid ?? null;
    if (of.tasks.some(({ pid }) => pid === victim)) {
      assert.equal(ranking.filter((one) => one.victim).length, 1);
    }
    const scores = ranking.slice(0, 19).map(({ badness }) => badness ?? -Infinity);
    assert.deepEqual(
      scores,
      scores.toSorted((a, b) => b - a),
    );
  });
});

test("law: the parts of memory do not overlap: what has a name is no more than there is", () => {
  const parts = fc.record({
    anon: fc.nat(40),
    file: fc.nat(40),
    kernel: fc.nat(20),
    sock: fc.nat(1),
  });
  fc.assert(
    fc.property(parts, fc.nat(40), (values, shmem) => {
      const cgroupStats = stats({ ...values, shmem: Math.min(shmem, values.file) });
      const { memory } = explainReport(report({ cgroupStats }), null);
      const sum = memory?.parts.reduce((total, { bytes: size }) => total + size, 0) ?? 0;
      assert.ok(sum <= (memory?.totalBytes ?? 0) + MIB);
    }),
    { seed: SEED },
  );
});

test("docs/explain.md lists the rules in the order in which they speak", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/explain.md"), "utf8");
  const rules = text.slice(text.indexOf("## Rules"), text.indexOf("## The kernel's ranking"));
  const listed = [...rules.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]);
  assert.deepEqual(
    listed,
    RULES.map(({ name }) => name),
  );
});

test("every rule has a name of its own, which is its file's", () => {
  const names = RULES.map(({ name }) => name);
  assert.equal(new Set(names).size, RULES.length);
  const files = readdirSync(join(import.meta.dirname, "rules")).filter(
    (file) => !/\.test\.ts$/.test(file),
  );
  assert.deepEqual(files.toSorted(), names.map((name) => `${name}.ts`).toSorted());
});

test("a plain kill: headline, order of findings, advice, figures", () => {
  const { headline, findings, advice, memory, rankingAgrees, taskCount, ranking } = explainReport(
    report(),
    killOf(WORKER),
  );
  assert.equal(headline, "worker[11] killed: container 5f1d3c9a4b7e hit its limit of 100 MiB");
  assert.deepEqual(
    findings.map(({ rule }) => rule),
    ["limit", "visibility", "anatomy", "anatomy", "victim"],
  );
  assert.equal(advice[0]?.rule, "limit");
  assert.deepEqual(memory?.parts[0], { name: "private memory of processes", bytes: 98 * MIB });
  assert.equal(rankingAgrees, true);
  assert.equal(taskCount, 2);
  assert.deepEqual(
    ranking.map(({ comm: name, victim, trigger }) => [name, victim, trigger]),
    [
      ["worker", true, true],
      ["main", false, false],
    ],
  );
});

test("headlines say what matters most", () => {
  const headline = (of: OomReport) => explainReport(of, of.kills[0] ?? null).headline;
  const tasks = [task("agent", 9, 700, { oomScoreAdj: -999 }), task("web", 20, 12)];
  assert.equal(
    headline(nodeReport({ tasks })),
    "web[20] killed: the machine ran out of memory (1000 MiB); agent[9] holds 70 % of it",
  );
  assert.equal(
    headline(report({ cgroupStats: stats({ anon: 20, file: 79, shmem: 78 }) })),
    "worker[11] killed: container 5f1d3c9a4b7e hit its limit of 100 MiB, mostly tmpfs",
  );
  assert.equal(
    headline(nodeReport({ sysrq: true })),
    "leak[20] killed by hand (sysrq-f), memory had not run out",
  );
  assert.equal(
    headline(nodeReport({ outcome: "panic", panicCause: "policy", kills: [] })),
    "kernel panic: out of memory in the machine, and it was told to stop",
  );
  assert.equal(
    headline(nodeReport({ outcome: "panic", panicCause: "none-killable", kills: [] })),
    "kernel panic: out of memory in the machine, and nobody left to kill",
  );
  assert.equal(
    headline(nodeReport({ outcome: "panic", kills: [] })),
    "kernel panic: out of memory in the machine",
  );
  for (const [constraint, where] of [
    ["cpuset", "on the NUMA nodes of a cpuset"],
    ["memory_policy", "on the NUMA nodes of a memory policy"],
  ] as const)
    assert.equal(
      headline(nodeReport({ constraint, outcome: "unknown", kills: [] })),
      `out of memory ${where}: who was killed is not known`,
    );
  assert.equal(
    headline(report({ kills: [], outcome: "unknown", constraint: null, limitCgroup: null })),
    "out of memory: who was killed is not known",
  );
  assert.equal(
    headline(report({ limitCgroup: "/kubepods.slice" })),
    "worker[11] killed: the limit of all pods of the node together (100 MiB) above it was hit",
  );
  assert.equal(
    headline(report({ limitCgroup: POD_PATH })),
    "worker[11] killed: pod 3f6a1c52-8d04-4b7e-9a31-5c2e7d90b1f4 hit its limit of 100 MiB",
  );
  const rows = [MAIN, WORKER];
  const group = report({
    groupCgroup: CONTAINER_PATH,
    kills: rows.toReversed().map((one) => killOf(one)),
  });
  assert.equal(
    headline(group),
    "2 processes with worker[11] killed as a group: container 5f1d3c9a4b7e hit its limit of 100 MiB",
  );
});

test("a record speaks of pods and containers by name, its report of sizes", () => {
  const { headline, findings } = explainRecord(facts(), report());
  assert.equal(
    headline,
    "worker[11] killed: container api of pod shop/cart-0 hit its limit of 100 MiB",
  );
  assert.ok(findings.some(({ rule }) => rule === "victim"));
  const alone = explainRecord(facts(), null);
  assert.equal(alone.memory, null);
  assert.equal(alone.taskCount, null);
  assert.ok(alone.findings.some(({ rule }) => rule === "lost-evidence"));
});

test("a path that the text has cut off is the container's, no ancestor's", () => {
  const limitCgroup = CONTAINER_PATH.slice(0, -20);
  const { headline, findings } = explainReport(report({ limitCgroup }), killOf(WORKER));
  assert.match(headline, /container 5f1d3c9a4b7e hit its limit/);
  assert.ok(!findings.some(({ rule }) => rule === "ancestor"));
});

test("what undoes the cause comes before what enlarges the room", () => {
  const trigger = {
    comm: "runc",
    pid: 900,
    gfpMask: null,
    gfpFlags: null,
    order: 0,
    oomScoreAdj: 0,
  };
  const memory = { usageBytes: 140 * MIB, limitBytes: 96 * MIB, failCount: 1 };
  const java = task("java", 11, 130);
  const of = report({ trigger, memory, tasks: [MAIN, java], kills: [killOf(java)] });
  const { advice } = explainReport(of, of.kills[0] ?? null);
  assert.deepEqual(
    advice.map(({ rule }) => rule),
    ["lowered", "visibility", "visibility", "runtime"],
  );
});
