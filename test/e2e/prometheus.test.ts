import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { LabDocker, whyNoDocker } from "../../lab/docker.ts";
import type { KillRecord } from "../../src/model/record.ts";
import { textColumns } from "../../src/sinks/terminal-text.ts";
import { whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";
import { within } from "./support/container-agent.ts";
import { TestPrometheus, whyNoPrometheus } from "./support/prometheus.ts";
import { storm, stormCgroups } from "./support/storm.ts";

// A real Prometheus scrapes a real agent while the kernel kills: what it makes of the page is compared with what died.

const skip = whyNoPrometheus() ?? whyNoDocker() ?? false;
const OOMWITNESS = resolve(import.meta.dirname, "../../bin/oomwitness");
/** Names of the drop-ins are older than the rule. */
const OLD_NAMES =
  /^(container_ooms|container_restarts|klog_pod_oomkill) counter .* "_total" suffix$/;

const HOSTILE = [
  'quo"te',
  "new\nline\r\x1b[31m",
  "back\\slash\\",
  '"} 1\ncontainer_ooms{name="forged"} 99\n#',
  "x".repeat(4_096),
  "\u202e\u0001",
];

let docker: LabDocker;
let agent: TestAgent;
let prometheus: TestPrometheus;

function supervisor(kills: number): string[] {
  return ["/supervisor", `--kills=${kills}`, "--pause=20", "--until-term=0"];
}

/** What an expression is at the last scrape, by a label; series at 0 left out. */
async function byLabel(expression: string, label: string): Promise<Record<string, number>> {
  // At the instant of its last sample `increase()` has nothing to extrapolate.
  const at = await prometheus.scrapes(1);
  const samples = await prometheus.query(expression, at);
  const named = samples.map(({ labels, value }) => [labels[label] ?? "", value] as const);
  return Object.fromEntries(named.filter(([, value]) => value !== 0));
}

/** A kill is counted within 5 s, and seen one scrape later: an expression comes to its truth, and stays there. */
async function comesTo(
  expression: string,
  label: string,
  truth: Readonly<Record<string, number>>,
): Promise<void> {
  const deadline = Date.now() + 15_000;
  let found = await byLabel(expression, label);
  while (!isDeepStrictEqual(found, truth) && Date.now() < deadline) {
    found = await byLabel(expression, label);
  }
  assert.deepEqual(found, truth, expression);
}

/** Waits until so many kills are recorded in containers whose name begins so. */
async function untilRecorded(prefix: string, wanted: number): Promise<void> {
  let seen = "";
  const enough = async () => {
    const kills = await agent.kills();
    const ours = kills.filter(({ container }) => container?.name?.startsWith(prefix) === true);
    seen = kills.slice(0, 12).map(describeKill).join("; ");
    return ours.length >= wanted;
  };
  await within(30, `${wanted} kills in ${prefix}…`, enough, () => `newest: ${seen}`);
}

function describeKill({ victim, container, cgroup, witnesses }: KillRecord): string {
  return `${victim.comm} in ${container?.name ?? container?.id ?? cgroup.path} (${witnesses})`;
}

function start(name: string, options: readonly string[], words: readonly string[]) {
  return docker.start(16, [`--name=${name}`, ...options], words);
}

before(async () => {
  if (skip) return;
  docker = await LabDocker.start();
  agent = await TestAgent.create([
    "env",
    `OOMWITNESS_DOCKER_SOCKET=${docker.socket}`,
    "OOMWITNESS_MORE_COMPAT_METRICS=1",
    `OOMWITNESS_TRACE_INSTANCE=oomwitness-prometheus-${process.pid}`,
    OOMWITNESS,
  ]);
  await agent.start();
  prometheus = await TestPrometheus.start(agent.port);
});
after(async () => {
  await prometheus?.dispose();
  await agent?.dispose();
  await docker?.dispose();
});

test("increase(container_ooms[5m]) is the true number, the first kill included", {
  skip,
}, async (t) => {
  await Promise.all([
    start("a-lives", [], supervisor(4)),
    start("a-main", [], ["/hog"]),
    start("a-loop", ["--restart=on-failure:2"], ["/hog"]),
    start("a-quick", ["--rm"], ["/hog"]),
  ]);
  await untilRecorded("a-", 9);
  const truth = { "a-lives": 4, "a-loop": 3, "a-main": 1, "a-quick": 1 };
  const family = 'container_ooms{name=~"a-.*"}';
  await comesTo(`increase(${family}[5m])`, "name", truth);
  await comesTo(
    'sum by (name) (increase(container_oom_events_total{name=~"a-.*"}[5m]))',
    "name",
    truth,
  );
  const own = 'sum by (container) (increase(oomwitness_kills_total{container=~"a-.*"}[5m]))';
  await comesTo(own, "container", truth);
  const rounded = await prometheus.query(`round(increase(${family}[5m]))`);
  const now = Object.fromEntries(rounded.map(({ labels, value }) => [labels["name"], value]));
  assert.deepEqual(now, truth, "at any instant, but for Prometheus' extrapolation");
  t.diagnostic(`increase(container_ooms[5m]): ${JSON.stringify(truth)}`);
});

test("restarts, exit codes, verdicts and invisible kills", { skip }, async () => {
  const containers = 'name=~"a-.*"';
  await within(20, "restarts", async () => {
    const [loop] = await prometheus.query('container_restarts{name="a-loop"}');
    return loop?.value === 2;
  });
  await comesTo(`increase(container_restarts{${containers}}[5m])`, "name", {
    "a-loop": 2,
  });
  await comesTo(`container_last_exit_code{${containers}}`, "name", {
    "a-loop": 137,
    "a-main": 137,
    "a-quick": 137,
  });
  // Docker does not notice every kill: then the exit is told as oom-unreported.
  const verdicts = 'verdict=~"oom-killed|oom-unreported"';
  const exits = `sum by (container) (increase(oomwitness_container_exits_total{${verdicts}}[5m]))`;
  await comesTo(exits, "container", { "a-loop": 3, "a-main": 1, "a-quick": 1 });
  await within(20, "invisible kills", async () => {
    const [lives] = await prometheus.query('oomwitness_invisible_kills_total{container="a-lives"}');
    return lives?.value === 4;
  });
  const invisible = "increase(oomwitness_invisible_kills_total[5m])";
  await comesTo(invisible, "container", { "a-lives": 4 });
});

test("the agent is killed, and kills happen meanwhile, also in a container never seen before", {
  skip,
}, async () => {
  // A checkpoint is written every 5 s; what came since is in the journal.
  await start("b-before", [], supervisor(1));
  await untilRecorded("b-", 1);
  await prometheus.scrapes(2);
  await agent.kill9();
  await start("b-meanwhile", [], supervisor(2));
  await start("b-gone", ["--rm"], ["/hog"]);
  await agent.start();
  await start("b-after", [], supervisor(1));
  await untilRecorded("b-", 5);
  const increase = 'sum by (name) (increase(container_ooms{name=~"[ab]-.*"}[5m]))';
  await comesTo(increase, "name", {
    "a-lives": 4,
    "a-loop": 3,
    "a-main": 1,
    "a-quick": 1,
    "b-before": 1,
    "b-meanwhile": 2,
    "b-gone": 1,
    "b-after": 1,
  });
});

test("a container made anew under its name goes on in the series of the name", {
  skip,
}, async () => {
  for (let times = 1; times <= 3; times++) {
    await start("c-anew", ["--rm"], ["/hog"]);
    await untilRecorded("c-", times);
    await within(10, "removal", async () => {
      const left = await docker.run("ps", "--all", "--quiet", "--filter=name=c-anew");
      return left === "";
    });
  }
  const increase = 'sum by (container) (increase(oomwitness_kills_total{container="c-anew"}[5m]))';
  await comesTo(increase, "container", { "c-anew": 3 });
  const ids = "sum by (name) (increase(container_ooms{name='c-anew'}[5m]))";
  await comesTo(ids, "name", { "c-anew": 3 });
});

test("kills outside containers are counted for the machine", {
  skip: whyNoV1Kills() ?? false,
}, async () => {
  const world = stormCgroups(1);
  try {
    const sum = async () => {
      await prometheus.scrapes(1);
      return (await prometheus.query("sum(oomwitness_kills_total)"))[0]?.value ?? 0;
    };
    const [counted, records] = [await sum(), (await agent.kills()).length];
    await storm(world.cgroups[0] ?? assert.fail(), { kills: 20 });
    // Others may kill on this machine too, and what they killed just now is not counted yet.
    await within(30, "the sum", async () => {
      const more = (await sum()) - counted;
      return more >= 20 && more <= (await agent.kills()).length - records;
    });
    await comesTo("oomwitness_unaccounted_kills", "none", {});
  } finally {
    world.remove();
  }
});

test("hostile labels break neither the page, nor Prometheus, nor the terminal", {
  skip,
}, async () => {
  await Promise.all(
    HOSTILE.map((text, index) => {
      const labels = ["pod.name", "pod.namespace", "container.name"].map(
        (name) => `--label=io.kubernetes.${name}=${text}`,
      );
      return start(`d-hostile-${index}`, labels, ["/hog"]);
    }),
  );
  await untilRecorded("d-", HOSTILE.length);
  const increase = 'sum by (name) (increase(container_ooms{name=~"d-.*"}[5m]))';
  const names = HOSTILE.map((_, index) => [`d-hostile-${index}`, 1]);
  await comesTo(increase, "name", Object.fromEntries(names));
  const pods = new Set(
    (await prometheus.query('container_ooms{name=~"d-.*"}')).map(({ labels }) => labels["pod"]),
  );
  assert.equal(pods.size, HOSTILE.length);
  for (const text of HOSTILE.slice(0, 4)) assert.ok(pods.has(text), JSON.stringify(text));
  await printable(["list", "--limit=1000"]);
  await printable(["list", "--exits", "--limit=1000"]);
});

test("40 containers that crash at once: one series each, and a page that promtool accepts", {
  skip,
}, async (t) => {
  const names = Array.from({ length: 40 }, (_, index) => `e-crash-${index}`);
  for (let first = 0; first < names.length; first += 8) {
    const some = names.slice(first, first + 8);
    await Promise.all(some.map((name) => start(name, ["--rm"], ["/hog"])));
  }
  await untilRecorded("e-", names.length);
  const increase = 'increase(container_ooms{name=~"e-.*"}[5m])';
  const truth = Object.fromEntries(names.map((name) => [name, 1]));
  await comesTo(increase, "name", truth);
  const started = performance.now();
  const page = await (await fetch(agent.url("/metrics"))).text();
  const took = performance.now() - started;
  const checked = spawnSync("promtool", ["check", "metrics"], { input: page, encoding: "utf8" });
  const complaints = (checked.stdout + checked.stderr).trim().split("\n");
  assert.deepEqual(
    complaints.filter((line) => line !== "" && !OLD_NAMES.test(line)),
    [],
  );
  const series = page.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length;
  const scrape = `${series} series, ${Math.round(page.length / 1024)} KiB, ${took.toFixed(1)} ms`;
  t.diagnostic(`the page after all that: ${scrape}`);
  const { unaccounted } = await agent.ledger();
  assert.equal(unaccounted, 0);
});

/** What the command prints of the hostile ones in 80 columns: no line is wider, nothing moves the cursor. */
async function printable(words: readonly string[]): Promise<void> {
  const env = { ...process.env, COLUMNS: "80", LC_ALL: "C.UTF-8" };
  const where = ["--state-dir", agent.stateDirectory];
  let text = "";
  await within(20, words.join(" "), () => {
    text = spawnSync(OOMWITNESS, [...words, ...where], { env, encoding: "utf8" }).stdout;
    return text.includes('o"te');
  });
  for (const line of text.split("\n")) {
    assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
    assert.ok(textColumns(line, { unicode: true }) <= 80, line);
  }
}
