import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname, release } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { runInGuest } from "./guest/guest.ts";
import { CgroupTree, type LabCgroup } from "./lab.ts";
import { type Death, ownComm, Stage } from "./stage.ts";

// Situations played with real processes, whose reports are kept in test/fixtures/stories as `journalctl -k -o
// short-iso-precise` would show them; what was killed is the parents' word, not the log's (NAME.truth.json).

const MIB = 1 << 20;
const POD =
  "kubepods-burstable.slice/kubepods-burstable-pod3f6a1c52_8d04_4b7e_9a31_5c2e7d90b1f4.slice";
const APP = `${POD}/cri-containerd-5f1d3c9a4b7e60218c3d9f0e1a2b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d.scope`;
const SPARE =
  "kubepods-besteffort.slice/kubepods-besteffort-podb8e21f07_6c1d_4e0a_b5f3_0d9c8e7a6b51.slice";
const WEB = `${SPARE}/cri-containerd-c0ffee91a2b3c4d5e6f708192a3b4c5d6e7f80915f1d3c9a4b7e60218c3d9f0e.scope`;

/** One run of the OOM killer as it really was. `null` is not known to the parent. */
export interface StoryTruth {
  readonly outcome: "killed" | "none-killable";
  readonly constraint: "memcg" | "none" | "cpuset";
  readonly limitCgroup: string | null;
  readonly limitBytes: number | null;
  readonly trigger: string | null;
  readonly sysrq: boolean;
  /** The cgroup with memory.oom.group. */
  readonly groupCgroup: string | null;
  readonly victims: readonly Death[];
  /** The kernel did not choose the worst: it was told to kill whoever asks (vm.oom_kill_allocating_task). */
  readonly allocatingTask: boolean;
}

const NODE_WIDE: StoryTruth = {
  outcome: "killed",
  constraint: "none",
  limitCgroup: null,
  limitBytes: null,
  trigger: null,
  sysrq: false,
  groupCgroup: null,
  victims: [],
  allocatingTask: false,
};

function limitHit(cgroup: LabCgroup, limitBytes: number): StoryTruth {
  return { ...NODE_WIDE, constraint: "memcg", limitCgroup: cgroup.path, limitBytes };
}

interface Story {
  /** The top of its cgroups. */
  readonly root: string;
  play(stage: Stage): Promise<StoryTruth[]>;
}

export const STORIES: Readonly<Record<string, Story>> = {
  /** Fluentd's main process lives on and starts the worker again that was killed. */
  "leaking-child": {
    root: "kubepods.slice",
    play: async (stage) => {
      const cgroup = stage.tree.create(APP, 96 * MIB);
      const part = { cgroup, oomScoreAdj: 984 };
      await stage.start({ ...part, comm: "fluentd", mib: 14, hold: true });
      for (let times = 0; times < 4; times++) {
        if (times > 0) await sleep(9000);
        await (await stage.start({ ...part, comm: "ruby", mib: 256 })).killed;
      }
      const hit = { ...limitHit(cgroup, 96 * MIB), trigger: "ruby" };
      return stage.deaths.map((death) => ({ ...hit, victims: [death] }));
    },
  },

  /** A memory-backed volume is filled: the largest process goes first and frees little, then the writer. */
  "memory-volume": {
    root: "kubepods.slice",
    play: async (stage) => {
      const cgroup = stage.tree.create(APP, 128 * MIB);
      await stage.start({ comm: "gunicorn", cgroup, mib: 26, hold: true, oomScoreAdj: 969 });
      const file = "/dev/shm/oomwitness-lab-volume";
      const enter = `echo 0 > ${cgroup.directory}/cgroup.procs`;
      const write = `${enter}; echo 969 > /proc/self/oom_score_adj; exec dd if=/dev/zero of=${file} bs=1M count=200`;
      const part = { comm: "dd", cgroup: cgroup.path, hold: false };
      await (await stage.run("sh", ["-c", write], part)).killed;
      await (await stage.run("rm", ["-f", file], part)).killed;
      const hit = { ...limitHit(cgroup, 128 * MIB), trigger: "dd" };
      return stage.deaths.map((death) => ({ ...hit, victims: [death] }));
    },
  },

  /** Two services of one slice are within their own limits, and together over the slice's. */
  "ancestor-limit": {
    root: "batch.slice",
    play: async (stage) => {
      const report = stage.tree.create("report.service", 120 * MIB);
      const load = stage.tree.create("import.service", 120 * MIB);
      stage.tree.limit(stage.tree.parent, 128 * MIB);
      await stage.start({ comm: "report", cgroup: report, mib: 58, hold: true });
      const hog = await stage.start({ comm: "import", cgroup: load, mib: 100 });
      await hog.killed;
      const hit = { ...limitHit(stage.tree.parent, 128 * MIB), trigger: "import" };
      return [{ ...hit, victims: stage.deaths }];
    },
  },

  /** A protected agent of the node leaks; a small pod without requests dies for it. */
  "innocent-victim": {
    root: "kubepods.slice",
    play: async (stage) => {
      await stage.start({ comm: "sshd", mib: 3, hold: true, oomScoreAdj: -1000 });
      const app = stage.tree.create(APP, null);
      await stage.start({ comm: "postgres", cgroup: app, mib: 90, hold: true, oomScoreAdj: 400 });
      const web = stage.tree.create(WEB, null);
      await stage.start({ comm: "nginx", cgroup: web, mib: 9, hold: true, oomScoreAdj: 1000 });
      const agent = await stage.start({ comm: "node-agent", mib: 2000, oomScoreAdj: -999 });
      await firstDeath(stage);
      agent.process.kill("SIGKILL");
      // It may take another one before it is stopped.
      await sleep(300);
      return stage.deaths.map((death) => ({ ...NODE_WIDE, victims: [death] }));
    },
  },

  /** memory.oom.group: one query grows, and all of PostgreSQL in the container dies as one. */
  "group-kill": {
    root: "kubepods.slice",
    play: async (stage) => {
      const cgroup = stage.tree.create(APP, 96 * MIB);
      writeFileSync(join(cgroup.directory, "memory.oom.group"), "1");
      const part = { comm: "postgres", cgroup, oomScoreAdj: 978 };
      for (let backends = 0; backends < 5; backends++)
        await stage.start({ ...part, mib: 6, hold: true });
      const query = await stage.start({ ...part, mib: 256 });
      await query.killed;
      await sleep(200);
      const truth = { ...limitHit(cgroup, 96 * MIB), trigger: "postgres" };
      return [{ ...truth, groupCgroup: cgroup.path, victims: stage.deaths }];
    },
  },

  /** memory.max is set below what is used, by a process outside: the writer is the one that "invoked oom-killer". */
  "limit-lowered": {
    root: "kubepods.slice",
    play: async (stage) => {
      const cgroup = stage.tree.create(APP, 192 * MIB);
      const part = { cgroup, hold: true, oomScoreAdj: 953 };
      await stage.start({ ...part, comm: "tini", mib: 1 });
      const large = await stage.start({ ...part, comm: "java", mib: 140 });
      const file = join(cgroup.directory, "memory.max");
      const resize = ["-c", `exec 2>/dev/null; echo ${96 * MIB} > ${file}; true`];
      await stage.run("sh", resize, { comm: "sh", cgroup: "/", hold: false });
      await large.killed;
      return [{ ...limitHit(cgroup, 96 * MIB), trigger: "sh", victims: stage.deaths }];
    },
  },

  /** A protected process is the largest; one that volunteered dies first, then the one that grows. */
  adjusted: {
    root: "system.slice",
    play: async (stage) => {
      const cgroup = stage.tree.create("db.service", 20 * MIB);
      const holders = [
        { comm: "postgres", mib: 9, oomScoreAdj: -900 },
        { comm: "sessions", mib: 2, oomScoreAdj: 0 },
        { comm: "cache", mib: 1, oomScoreAdj: 800 },
      ];
      for (const holder of holders) await stage.start({ ...holder, cgroup, hold: true });
      await (await stage.start({ comm: "report", cgroup, mib: 64 })).killed;
      const hit = { ...limitHit(cgroup, 20 * MIB), trigger: "report" };
      return stage.deaths.map((death) => ({ ...hit, victims: [death] }));
    },
  },

  /** Only a process that must not be killed is in the cgroup. */
  "none-killable": {
    root: "system.slice",
    play: async (stage) => {
      const cgroup = stage.tree.create("agent.service", 10 * MIB);
      const hog = await stage.start({ comm: "agentd", cgroup, mib: 64, oomScoreAdj: -1000 });
      await sleep(300);
      hog.process.kill("SIGKILL");
      return [{ ...limitHit(cgroup, 10 * MIB), outcome: "none-killable", trigger: "agentd" }];
    },
  },

  /** The machine is full of small workers; the steady database is the largest and dies. */
  "full-node": { root: "full", play: (stage) => fillTheMachine(stage, {}) },

  /** The same where the machine is told to kill whoever asks. */
  "allocating-task": {
    root: "full",
    play: async (stage) => {
      writeFileSync("/proc/sys/vm/oom_kill_allocating_task", "1");
      const truths = await fillTheMachine(stage, { allocatingTask: true });
      writeFileSync("/proc/sys/vm/oom_kill_allocating_task", "0");
      return truths;
    },
  },

  /** Somebody at the keyboard asked for it. */
  sysrq: {
    root: "desk",
    play: async (stage) => {
      await stage.start({ comm: "editor", mib: 20, hold: true });
      const browser = await stage.start({ comm: "browser", mib: 150, hold: true });
      writeFileSync("/proc/sysrq-trigger", "f");
      await browser.killed;
      return [{ ...NODE_WIDE, sysrq: true, victims: stage.deaths }];
    },
  },
};

async function firstDeath(stage: Stage): Promise<void> {
  for (let waited = 0; stage.deaths.length === 0 && waited < 1500; waited++) await sleep(20);
}

async function fillTheMachine(stage: Stage, truth: Partial<StoryTruth>): Promise<StoryTruth[]> {
  await stage.start({ comm: "sshd", mib: 3, hold: true, oomScoreAdj: -1000 });
  await stage.start({ comm: "database", mib: 180, hold: true });
  for (let index = 0; index < 60 && stage.deaths.length === 0; index++) {
    await stage.start({ comm: "worker", mib: 20, hold: true });
    await sleep(10);
  }
  return [{ ...NODE_WIDE, victims: stage.deaths.slice(0, 1), ...truth }];
}

interface Played {
  readonly log: string;
  readonly kernel: string;
  readonly reports: readonly StoryTruth[];
}

async function play(name: string): Promise<Played> {
  const story = STORIES[name];
  if (story === undefined)
    throw new Error(`no story ${name}; there are ${Object.keys(STORIES).join(", ")}`);
  const stage = new Stage(new CgroupTree(story.root));
  try {
    stage.log.mark(`story ${name} begins`);
    const reports = await story.play(stage);
    await sleep(300);
    stage.log.mark(`story ${name} ends`);
    const records = await stage.log.until(`story ${name} ends`, 5);
    return { log: asJournal(records), kernel: release(), reports };
  } finally {
    await stage.clear();
  }
}

/** Records of /dev/kmsg as the journal shows them: a line for each line, with the time of day. */
function asJournal(records: string): string {
  const uptimeSeconds = Number.parseFloat(readFileSync("/proc/uptime", "utf8"));
  const bootMicroseconds = Math.round((Date.now() / 1000 - uptimeSeconds) * 1e6);
  return records
    .split("\n")
    .flatMap((record) => {
      const match = /^(\d+),\d+,(\d+),[^;]*;(.*)$/.exec(record);
      if (match === null || Number(match[1]) >= 8) return [];
      const stamp = isoText(bootMicroseconds + Number(match[2]));
      const lines = (match[3] ?? "").replaceAll("\\x0a", "\n").split("\n");
      return lines.map((line) => `${stamp} ${hostname()} kernel: ${line}\n`);
    })
    .join("");
}

/** `2026-11-21T03:12:44.104512+0000`. */
function isoText(microseconds: number): string {
  const text = new Date(Math.floor(microseconds / 1000)).toISOString().slice(0, -1);
  return `${text}${String(microseconds % 1000).padStart(3, "0")}+0000`;
}

/** In a guest, where whoever is killed is not the one that tells of it. */
async function playAll(directory: string, names: readonly string[]): Promise<number> {
  writeFileSync("/proc/self/oom_score_adj", "-1000");
  for (const name of names) {
    process.stdout.write(`story ${name} (${ownComm()})\n`);
    const { log, ...truth } = await play(name);
    writeFileSync(join(directory, `${name}.txt`), log, "latin1");
    writeFileSync(join(directory, `${name}.truth.json`), `${JSON.stringify(truth, null, 2)}\n`);
  }
  return 0;
}

const USAGE = `usage: bin/node lab/stories.ts [--kernel NAME] DIRECTORY NAME…
Plays stories in a guest and keeps their logs: ${Object.keys(STORIES).join(", ")}`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { kernel: { type: "string" }, here: { type: "boolean" } },
  });
  const [directory, ...names] = positionals;
  if (directory === undefined || names.length === 0) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  if (values.here) return playAll(directory, names);
  mkdirSync(directory, { recursive: true });
  const result = await runInGuest({
    script: `mkdir -p /job/out && bin/node lab/stories.ts --here /job/out ${names.join(" ")}`,
    timeoutSeconds: 120,
    ...(values.kernel === undefined ? {} : { kernel: values.kernel }),
    onOutput: (text) => process.stderr.write(text),
  });
  for (const [path, text] of Object.entries(result.files)) {
    writeFileSync(join(directory, path), text);
  }
  return result.exitCode;
}

if (import.meta.main)
  process.exitCode = await main().catch((error: unknown) => {
    process.stderr.write(`lab: ${error instanceof Error ? error.stack : String(error)}\n`);
    return 1;
  });
