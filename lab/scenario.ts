import {
  CgroupTree,
  flood,
  groupKill,
  killsPossible,
  leaderExitKill,
  sharedMemoryKill,
  storm,
  type Truth,
} from "./lab.ts";
import { HOSTILE_NAMES } from "./names.ts";

const MIB = 1 << 20;
const LIMIT_BYTES = 10 * MIB;

/** One situation of the kernel's, made for real in cgroups of our own. Works on v1 and v2 unless it says so. */
type Scenario = (tree: CgroupTree, size: number) => Promise<Truth[]>;

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  /** `size` kills in one cgroup (50). */
  storm: (tree, size) =>
    storm(tree.create("storm", LIMIT_BYTES), { kills: size || 50, parallel: 2 }),

  /** `size` kills in each of ten cgroups at once (50). */
  storms: async (tree, size) => {
    const cgroups = Array.from({ length: 10 }, (_, index) => tree.create(`c${index}`, LIMIT_BYTES));
    const deaths = await Promise.all(cgroups.map((cgroup) => storm(cgroup, { kills: size || 50 })));
    return deaths.flat();
  },

  /** A group kill of `size` processes (20); v2 only. */
  group: (tree, size) => groupKill(tree.create("group", LIMIT_BYTES), size || 20),

  /** The limit is the pod's; one of its two containers is the victim, and dies as a group with `size`. */
  "pod-limit": (tree, size) => {
    tree.limit(tree.create("pod", null), LIMIT_BYTES);
    tree.create("pod/bystander", null);
    const container = tree.create("pod/container", null);
    return size > 0 ? groupKill(container, size) : storm(container, { kills: 1 });
  },

  /** `size` times (10): a nested cgroup is made, has a kill and is removed at once. */
  nested: async (tree, size) => {
    const deaths: Truth[] = [];
    for (let index = 0; index < (size || 10); index++) {
      const cgroup = tree.create(`pod${index}/container`, LIMIT_BYTES);
      deaths.push(...(await storm(cgroup, { kills: 1 })));
      await tree.remove(cgroup);
    }
    return deaths;
  },

  "leader-exit": (tree) => leaderExitKill(tree.create("leader", LIMIT_BYTES)),

  sharer: (tree) => sharedMemoryKill(tree.create("owner", LIMIT_BYTES), tree.create("other", null)),

  /** One kill for each hostile name. */
  names: async (tree) => {
    const cgroup = tree.create("names", LIMIT_BYTES);
    const deaths: Truth[] = [];
    for (const { name } of HOSTILE_NAMES)
      deaths.push(...(await storm(cgroup, { kills: 1, comm: name })));
    return deaths;
  },

  /** `size` kills (30) while the log is flooded with forged kills. */
  flood: async (tree, size) => {
    const cgroup = tree.create("flooded", LIMIT_BYTES);
    const noise = flood({ lines: 20_000, forge: true });
    const deaths = await storm(cgroup, { kills: size || 30, parallel: 2 });
    await noise;
    return deaths;
  },
};

/** The kernel's book of one cgroup after a scenario; a counter the kernel does not keep is `null`. */
export interface CgroupBook {
  readonly cgroup: string;
  readonly oom: number | null;
  readonly oomKill: number | null;
  readonly oomGroupKill: number | null;
}

export interface ScenarioResult {
  readonly deaths: readonly Truth[];
  /** The parent of all first; cgroups the scenario removed are missing. */
  readonly books: readonly CgroupBook[];
}

/** Runs a scenario by name; `size` 0 takes its own default. The cgroups are removed at the end. */
export async function runScenario(name: string, size: number): Promise<ScenarioResult> {
  const scenario = SCENARIOS[name];
  if (scenario === undefined)
    throw new Error(`no scenario ${name}; there are ${Object.keys(SCENARIOS).join(", ")}`);
  const tree = new CgroupTree();
  try {
    const deaths = await scenario(tree, size);
    return { deaths, books: readBooks(tree) };
  } finally {
    await tree.remove();
  }
}

function readBooks(tree: CgroupTree): CgroupBook[] {
  return tree.all().map((cgroup) => ({
    cgroup: cgroup.path,
    oom: tree.event(cgroup, "oom"),
    oomKill: tree.event(cgroup, "oom_kill"),
    oomGroupKill: tree.event(cgroup, "oom_group_kill"),
  }));
}

async function main(): Promise<number> {
  const [name, size] = process.argv.slice(2);
  const possible = killsPossible();
  if (name === undefined || !possible.ok) {
    const usage = `usage: scenario.ts NAME [SIZE]; names: ${Object.keys(SCENARIOS).join(", ")}`;
    process.stderr.write(`lab: ${possible.ok ? usage : possible.reason}\n`);
    return possible.ok ? 2 : 1;
  }
  const { deaths, books } = await runScenario(name, Number(size ?? 0));
  const lines = [...deaths.map((death) => ({ signal: 9, ...death })), ...books];
  for (const line of lines) process.stdout.write(`${JSON.stringify(line)}\n`);
  return 0;
}

if (import.meta.main)
  process.exitCode = await main().catch((error: unknown) => {
    process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  });
