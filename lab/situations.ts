import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { groupKill, type LabCgroup, leaderExitKill, storm } from "./lab.ts";
import { type Death, KernelLog, ownComm, Stage } from "./stage.ts";

// Situations whose whole reports are kept in test/fixtures/reports (lab/reports.ts). Each is played with real processes;
// what they died of is their parent's word, not the log's.

const MIB = 1 << 20;
/** Ten whole reports in five seconds (facts 1.1). */
const RATE_LIMIT_MILLISECONDS = 5_200;
const POD = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0c2f4a6e.slice";
const APP = `${POD}/cri-containerd-5f1d3c.scope`;

/** What really happened. Where the OOM killer ran several times, all but `victims` is the same for each run. */
interface Truth {
  readonly outcome: "killed" | "none-killable" | "panic";
  readonly constraint: "memcg" | "none" | "cpuset";
  readonly limitCgroup: string | null;
  readonly limitBytes: number | null;
  /** Who asked; `null` is not known to the parent. */
  readonly trigger: string | null;
  readonly sysrq: boolean;
  /** The cgroup with memory.oom.group. */
  readonly groupCgroup: string | null;
  /** Everybody who died of it, in the order in which their parent heard of it. */
  readonly victims: readonly Death[];
  /** Everybody below the limit's cgroup when it was hit first; `null` is not known. */
  readonly members: readonly number[] | null;
  /** The kernel did not choose the worst: it was told to kill whoever asks (vm.oom_kill_allocating_task). */
  readonly allocatingTask: boolean;
}

const NODE_WIDE: Truth = {
  outcome: "killed",
  constraint: "none",
  limitCgroup: null,
  limitBytes: null,
  trigger: null,
  sysrq: false,
  groupCgroup: null,
  victims: [],
  members: null,
  allocatingTask: false,
};

function limitHit(cgroup: LabCgroup, limitBytes: number): Truth {
  return { ...NODE_WIDE, constraint: "memcg", limitCgroup: cgroup.path, limitBytes };
}

type Situation = (stage: Stage) => Promise<Truth>;

const SITUATIONS: Readonly<Record<string, Situation>> = {
  /** A container with a limit of 20 MiB; the smaller of its two processes lives on. */
  memcg: async (stage) => {
    const cgroup = stage.tree.create("docker/df1c7e", 20 * MIB);
    const other = await stage.start({ comm: "nginx", cgroup, mib: 2, hold: true });
    const hog = await stage.start({ comm: "leak", cgroup, mib: 64 });
    await hog.killed;
    const members = [other.pid, hog.pid];
    return { ...limitHit(cgroup, 20 * MIB), trigger: "leak", victims: stage.deaths, members };
  },

  /** The pod's limit of 24 MiB is hit by `app`, which has none of its own. */
  ancestor: async (stage) => {
    const app = stage.tree.create(APP, null);
    const sidecar = stage.tree.create(`${POD}/cri-containerd-77b0aa.scope`, null);
    const pod = stage.tree.create(POD, 24 * MIB);
    const pause = await stage.start({ comm: "pause", cgroup: app, mib: 1, hold: true });
    const proxy = await stage.start({ comm: "proxy", cgroup: sidecar, mib: 6, hold: true });
    const hog = await stage.start({ comm: "app", cgroup: app, mib: 64 });
    await hog.killed;
    const members = [pause.pid, proxy.pid, hog.pid];
    return { ...limitHit(pod, 24 * MIB), trigger: "app", victims: stage.deaths, members };
  },

  /** The largest process is protected; where one volunteers enough it dies first, then the one that grows. */
  protected: async (stage) => {
    const cgroup = stage.tree.create("system.slice/db.service", 20 * MIB);
    const base = mayLowerScores() ? 0 : 900;
    const holders = [
      { comm: "postgres", mib: 9, oomScoreAdj: base - 900 },
      { comm: "sessions", mib: 2, oomScoreAdj: base },
      { comm: "cache", mib: 1, oomScoreAdj: Math.min(1000, base + 800) },
    ];
    const members: number[] = [];
    for (const holder of holders)
      members.push((await stage.start({ ...holder, cgroup, hold: true })).pid);
    const grower = { comm: "report", mib: 64, oomScoreAdj: base };
    const report = await stage.start({ ...grower, cgroup });
    await report.killed;
    members.push(report.pid);
    return { ...limitHit(cgroup, 20 * MIB), trigger: "report", victims: stage.deaths, members };
  },

  /** A memory-backed volume is filled: the largest process goes first and frees nothing, then the writer itself. */
  tmpfs: async (stage) => {
    const cgroup = stage.tree.create(APP, 20 * MIB);
    const web = await stage.start({ comm: "web", cgroup, mib: 4, hold: true });
    const file = "/dev/shm/oomwitness-lab-volume";
    const enter = `echo 0 > ${cgroup.directory}/cgroup.procs`;
    const write = `${enter}; exec dd if=/dev/zero of=${file} bs=1M count=40`;
    const part = { comm: "dd", cgroup: cgroup.path, hold: false };
    const writer = await stage.run("sh", ["-c", write], part);
    await writer.killed;
    await stage.run("rm", ["-f", file], { ...part, hold: false });
    const members = [web.pid, writer.pid];
    return { ...limitHit(cgroup, 20 * MIB), trigger: "dd", victims: stage.deaths, members };
  },

  /** A supervisor in the container starts its worker anew each time: 12 kills at once, and one after the rate limit. */
  supervisor: async (stage) => {
    const cgroup = stage.tree.create("docker/9ab4e0", 12 * MIB);
    const options = { parentInside: true, comm: "worker" };
    stage.add(await storm(cgroup, { kills: 12, ...options }), () => "worker");
    await sleep(RATE_LIMIT_MILLISECONDS);
    stage.add(await storm(cgroup, { kills: 1, ...options }), () => "worker");
    return { ...limitHit(cgroup, 12 * MIB), trigger: "worker", victims: stage.deaths };
  },

  /** memory.oom.group: five processes of a container die as one; v2. */
  group: async (stage) => {
    const cgroup = stage.tree.create(APP, 16 * MIB);
    stage.add(await groupKill(cgroup, 5), ({ role }) => role);
    const truth = { ...limitHit(cgroup, 16 * MIB), trigger: "grower", groupCgroup: cgroup.path };
    return { ...truth, victims: stage.deaths, members: stage.deaths.map(({ pid }) => pid) };
  },

  /** memory.max is set below what is used, by a process outside: the writer is the one that "invoked oom-killer"; v2. */
  lowered: async (stage) => {
    const cgroup = stage.tree.create(APP, 40 * MIB);
    const small = await stage.start({ comm: "helper", cgroup, mib: 2, hold: true });
    const large = await stage.start({ comm: "service", cgroup, mib: 24, hold: true });
    stage.tree.limit(cgroup, 10 * MIB);
    await large.killed;
    const members = [small.pid, large.pid];
    return { ...limitHit(cgroup, 10 * MIB), trigger: ownComm(), victims: stage.deaths, members };
  },

  "leader-exit": async (stage) => {
    const cgroup = stage.tree.create("leader", 10 * MIB);
    stage.add(await leaderExitKill(cgroup), () => "leader-exit");
    return { ...limitHit(cgroup, 10 * MIB), victims: stage.deaths };
  },

  /** Only a process that must not be killed is in the cgroup. The kernel says it again and again while it tries. */
  "none-killable": async (stage) => {
    const cgroup = stage.tree.create("system.slice/agent.service", 10 * MIB);
    const hog = await stage.start({ comm: "agentd", cgroup, mib: 64, oomScoreAdj: -1000 });
    await new KernelLog().until("no killable processes", 5);
    hog.process.kill("SIGKILL");
    const hit = { ...limitHit(cgroup, 10 * MIB), trigger: "agentd", members: [hog.pid] };
    return { ...hit, outcome: "none-killable" };
  },

  /** The machine is full of small workers; the steady database is the largest and dies. Only in the guest. */
  global: (stage) => fillTheMachine(stage, {}),

  /** The same where the machine is told to kill whoever asks. */
  "allocating-task": async (stage) => {
    writeFileSync("/proc/sys/vm/oom_kill_allocating_task", "1");
    const truth = await fillTheMachine(stage, { allocatingTask: true });
    writeFileSync("/proc/sys/vm/oom_kill_allocating_task", "0");
    return truth;
  },

  /** Ends the machine: what it said is on its console. */
  panic: (stage) => {
    writeFileSync("/proc/sys/vm/panic_on_oom", "1");
    return fillTheMachine(stage, { outcome: "panic" });
  },

  /** A cpuset of one NUMA node of two is full, the other is not. Only in the guest. */
  cpuset: async (stage) => {
    writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");
    const cgroup = stage.tree.create("bound", null);
    writeFileSync(join(stage.tree.parent.directory, "cgroup.subtree_control"), "+cpuset");
    writeFileSync(join(cgroup.directory, "cpuset.mems"), "1");
    const hog = await stage.start({ comm: "bound", cgroup, mib: 2000 });
    await hog.killed;
    return { ...NODE_WIDE, constraint: "cpuset", trigger: "bound", victims: stage.deaths };
  },

  /** Somebody at the keyboard asked for it. Only in the guest. */
  sysrq: async (stage) => {
    await stage.start({ comm: "editor", mib: 20, hold: true });
    const browser = await stage.start({ comm: "browser", mib: 150, hold: true });
    writeFileSync("/proc/sysrq-trigger", "f");
    await browser.killed;
    return { ...NODE_WIDE, sysrq: true, victims: stage.deaths };
  },
};

async function fillTheMachine(stage: Stage, truth: Partial<Truth>): Promise<Truth> {
  await stage.start({ comm: "sshd", mib: 3, hold: true, oomScoreAdj: -1000 });
  await stage.start({ comm: "database", mib: 180, hold: true });
  for (let index = 0; index < 60 && stage.deaths.length === 0; index++) {
    await stage.start({ comm: `worker-${index}`, mib: 20, hold: true });
    await sleep(10);
  }
  return { ...NODE_WIDE, victims: stage.deaths.slice(0, 1), ...truth };
}

/** Situations in which the whole machine runs out of memory. */
const OF_THE_MACHINE = ["global", "allocating-task", "panic", "cpuset", "sysrq"];

/** Whoever is killed for the machine, it is not the one that tells of it. Children without a score of their own inherit it. */
function protectOurselves(name: string): void {
  if (OF_THE_MACHINE.includes(name)) writeFileSync("/proc/self/oom_score_adj", "-1000");
  else if (mayLowerScores()) writeFileSync("/proc/self/oom_score_adj", "0");
}

/** A score can be made lower only with CAP_SYS_RESOURCE, which a guest has. */
function mayLowerScores(): boolean {
  const before = readFileSync("/proc/self/oom_score_adj", "utf8").trim();
  try {
    writeFileSync("/proc/self/oom_score_adj", `${Math.max(-1000, Number(before) - 1)}`);
    writeFileSync("/proc/self/oom_score_adj", before);
    return true;
  } catch {
    return false;
  }
}

/** What the kernel said, record by record, with lines of ours before and after, and the truth. */
interface Played {
  readonly records: string;
  readonly truth: Truth;
}

export async function play(name: string): Promise<Played> {
  const situation = SITUATIONS[name];
  const names = Object.keys(SITUATIONS).join(", ");
  if (situation === undefined) throw new Error(`no situation ${name}; there are ${names}`);
  protectOurselves(name);
  // The rate limit of the one before is over.
  await sleep(RATE_LIMIT_MILLISECONDS);
  const stage = new Stage();
  try {
    stage.log.mark(`${name} begins`);
    const truth = await situation(stage);
    await sleep(200);
    stage.log.mark(`${name} ends`);
    const records = await stage.log.until(`${name} ends`, 5);
    return { records, truth };
  } finally {
    await stage.clear();
  }
}

/** In a guest: plays each and leaves NAME.txt and NAME.truth.json in the directory. */
async function main(): Promise<number> {
  const [directory, ...names] = process.argv.slice(2);
  if (directory === undefined || names.length === 0) {
    const known = Object.keys(SITUATIONS).join(", ");
    process.stderr.write(`usage: situations.ts DIRECTORY NAME…: ${known}\n`);
    return 2;
  }
  for (const name of names) {
    process.stdout.write(`${name}\n`);
    const { records, truth } = await play(name);
    writeFileSync(join(directory, `${name}.txt`), records, "latin1");
    writeFileSync(join(directory, `${name}.truth.json`), `${JSON.stringify(truth, null, 2)}\n`);
  }
  return 0;
}

if (import.meta.main)
  process.exitCode = await main().catch((error: unknown) => {
    process.stderr.write(`lab: ${error instanceof Error ? error.stack : String(error)}\n`);
    return 1;
  });
