import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CgroupTree, type LabCgroup, nodeOomKills } from "../../lab/cgroups.ts";
import { type StormOptions, storm } from "../../lab/lab.ts";
import { removeCgroups } from "../../lab/leftovers.ts";
import type { KillRecord } from "../../src/model/record.ts";
import { TestAgent } from "../e2e/support/agent.ts";
import { compare, type TrueKill } from "./compare.ts";
import type { Outcome } from "./row.ts";

const OOMWITNESS = resolve(import.meta.dirname, "../../bin/oomwitness");
const TRACE_INSTANCES = "/sys/kernel/tracing/instances";
/** When the run is ended from outside, its agents end with it. */
const LEASH = existsSync("/usr/bin/setpriv") ? ["/usr/bin/setpriv", "--pdeathsig", "KILL"] : [];
const LIMIT_BYTES = 10 << 20;
const RECOVERY_MILLISECONDS = 30_000;

export interface AgentOptions {
  /** Of its trace instance; one name is shared by agents of a row that run one after the other. */
  readonly traceInstance?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

let rows = 0;

/** What a row may use: cgroups, kills and agents of its own, all removed at its end. */
export class RowContext {
  /** Whole: many rounds. Else once, as a part of `npm test`. */
  readonly whole: boolean;
  readonly name = `oomwitness-torture-${process.pid}-${++rows}`;
  /** What parents saw, of all storms so far. */
  readonly truth: TrueKill[] = [];
  readonly #tree: CgroupTree;
  readonly #agents: TestAgent[] = [];
  readonly #undo: (() => void | Promise<void>)[] = [];
  readonly #startedAt = new Date().toISOString();
  readonly #killsBefore = nodeOomKills() ?? 0;
  #faultEndedAt: number | null = null;
  #cgroups = 0;

  constructor(whole: boolean) {
    this.whole = whole;
    this.#tree = new CgroupTree(this.name);
  }

  /** An agent that is not started yet, with state, port and trace instance of its own. */
  async agent(options: AgentOptions = {}): Promise<TestAgent> {
    const instance = options.traceInstance ?? this.name;
    const variables = { OOMWITNESS_TRACE_INSTANCE: instance, ...options.environment };
    const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const agent = await TestAgent.create(["env", ...settings, ...LEASH, OOMWITNESS]);
    this.#agents.push(agent);
    return agent;
  }

  /** A new cgroup for kills, 10 MiB. */
  cgroup(): LabCgroup {
    return this.#tree.create(`c${this.#cgroups++}`, LIMIT_BYTES);
  }

  /** So many kills in `cgroup`, or in a new one; they join the truth when the last is dead. */
  async kill(options: StormOptions, cgroup: LabCgroup = this.cgroup()): Promise<TrueKill[]> {
    const kills = await storm(cgroup, options);
    this.truth.push(...kills);
    return kills;
  }

  /** Something to put back at the end, whatever happens. */
  undo(call: () => void | Promise<void>): void {
    this.#undo.unshift(call);
  }

  /** From now on the agent could recover: restarted, continued, its disk back. */
  faultEnded(): void {
    this.#faultEndedAt = Date.now();
  }

  /**
   * Waits until each kill has a record and the books are at rest, and holds the records against the truth.
   * `told`: what the operator read; states of sources unless given.
   */
  async outcome(agent: TestAgent, more: Partial<Pick<Outcome, "told" | "complaints">> = {}) {
    const recoveredAfterMilliseconds = await this.#recovered(agent);
    await agent.settle();
    const { records, figures } = await this.#figures(agent);
    const { unaccounted } = await agent.ledger();
    const told = more.told ?? (await this.#told(agent, records));
    const complaints = [...doubledIds(records), ...(more.complaints ?? [])];
    return { ...figures, unaccounted, recoveredAfterMilliseconds, told, complaints };
  }

  /** What was told of the kills so far, older kills of the backlog left out. */
  async records(agent: TestAgent): Promise<KillRecord[]> {
    const ours = new Set(this.truth.map(({ cgroup }) => cgroup));
    const isOurs = ({ at, cgroup }: KillRecord) =>
      at >= this.#startedAt || ours.has(cgroup.path ?? "");
    return (await agent.kills()).filter(isOurs);
  }

  async dispose(): Promise<void> {
    for (const agent of this.#agents) await agent.kill9();
    for (const call of this.#undo) await call();
    for (const agent of this.#agents) await agent.dispose();
    await removeTraceInstances(this.name);
    await removeCgroups(`/${this.name}`);
  }

  /** `null` when it never had one of each. */
  async #recovered(agent: TestAgent): Promise<number | null> {
    const began = this.#faultEndedAt ?? Date.now();
    while (Date.now() - began < RECOVERY_MILLISECONDS) {
      const { figures } = await this.#figures(agent);
      if (figures.lost === 0) return Date.now() - began;
      await sleep(50);
    }
    return null;
  }

  async #figures(agent: TestAgent) {
    const records = await this.records(agent);
    const foreign = (nodeOomKills() ?? 0) - this.#killsBefore - this.truth.length;
    return { records, figures: compare(records, this.truth, Math.max(0, foreign)) };
  }

  async #told(agent: TestAgent, records: readonly KillRecord[]): Promise<string> {
    const sources = await agent.sources();
    const words = sources.flatMap(({ source, state, reason, lost }) => [
      ...(lost > 0 ? [`${source} lost ${lost}`] : []),
      ...(state === "up" || state === "unavailable" ? [] : [`${source} ${state}: ${reason}`]),
    ]);
    const recovered = records.filter((record) => record.recovered).length;
    if (recovered > 0) words.push(`${recovered} recovered`);
    return words.join("; ") || "nothing";
  }
}

function doubledIds(records: readonly KillRecord[]): string[] {
  const ids = new Set(records.map(({ id }) => id));
  return ids.size === records.length ? [] : [`${records.length - ids.size} ids are given twice`];
}

/** Those an agent leaves on purpose; a reader that is just dying keeps one busy. */
async function removeTraceInstances(name: string): Promise<void> {
  if (!existsSync(TRACE_INSTANCES)) return;
  for (const instance of readdirSync(TRACE_INSTANCES).filter((one) => one.startsWith(name))) {
    for (let attempt = 0; attempt < 100 && !tryRemove(instance); attempt++) await sleep(50);
  }
}

function tryRemove(instance: string): boolean {
  const directory = join(TRACE_INSTANCES, instance);
  try {
    rmdirSync(directory);
    return true;
  } catch {
    return !existsSync(directory);
  }
}
