import { Containers, type ContainersState } from "../src/identify/containers.ts";
import type { RuntimeObservation } from "../src/model/container.ts";
import { type Identity, mergeIdentity } from "../src/model/identity.ts";
import type { ExitRecord, KillRecord } from "../src/model/record.ts";
import { type Instant, SECOND } from "../src/model/time.ts";
import { Random } from "../src/std/random.ts";
import { type ContainersBug, NO_BUG } from "./containers-bugs.ts";
import { type Evidence, evidenceOf } from "./containers-kills.ts";
import { isWithin, makePlan, type Plan } from "./containers-plan.ts";
import { type Told, tell } from "./containers-tell.ts";
import { BEGIN, END, MILLISECOND, makeWorld, type World } from "./containers-world.ts";

/** One line of the output. */
export type Line =
  | {
      readonly now: number;
      readonly kind: "kill";
      readonly id: string;
      readonly identity: Identity;
    }
  | { readonly now: number; readonly kind: "exit"; readonly record: ExitRecord };

export interface ContainersOutcome {
  readonly seed: number;
  readonly world: World;
  readonly plan: Plan;
  readonly told: readonly Told[];
  readonly evidence: readonly Evidence[];
  readonly lines: readonly Line[];
  /** Characters of the last checkpoint. */
  readonly stateLength: number;
}

export function runContainers(seed: number, bug: ContainersBug = NO_BUG): ContainersOutcome {
  const random = new Random(seed);
  const world = makeWorld(random.fork());
  const plan = makePlan(random.fork());
  const told = tell(world, plan, random.fork());
  const evidence = evidenceOf(world, plan, random.fork());
  const agent = new Agent(bug);
  const steps = [...told.map(ofTold), ...evidence.map(ofEvidence)];
  steps.sort((one, other) => one.at - other.at);
  run(agent, plan, steps);
  return { seed, world, plan, told, evidence, lines: agent.lines, stateLength: agent.stateLength };
}

interface Step {
  readonly at: number;
  /** What waits for the agent to come back, as what the kernel has kept does. */
  readonly kept: boolean;
  readonly act: (agent: Agent) => void;
}

function ofTold({ at, what }: Told): Step {
  const act = (agent: Agent) => {
    if (what.kind === "source") agent.sourceChanged(what.source, what.up);
    else agent.observe(what.observation);
  };
  return { at, kept: false, act };
}

function ofEvidence(evidence: Evidence): Step {
  return { at: evidence.tellAt, kept: true, act: (agent) => agent.evidence(evidence) };
}

const CHECKPOINT = 5 * SECOND;
/** Nothing waits longer than this after the last word. */
const QUIET = 40 * SECOND;
const TICK = SECOND / 2;

function run(agent: Agent, plan: Plan, steps: readonly Step[]): void {
  agent.to(BEGIN);
  agent.checkpoint();
  const kept: Step[] = [];
  let down = false;
  let [checkpointAt, now] = [BEGIN + CHECKPOINT, BEGIN];
  for (const step of steps.filter(({ at }) => at >= BEGIN)) {
    while (now + TICK < step.at) {
      now += TICK;
      if (isWithin(plan.crashes, now)) {
        down = true;
        continue;
      }
      if (down) agent.restart(now, kept);
      down = false;
      agent.to(now);
      if (now >= checkpointAt) {
        agent.checkpoint();
        checkpointAt = now + CHECKPOINT;
      }
    }
    now = Math.max(now, step.at);
    if (isWithin(plan.crashes, step.at)) {
      down = true;
      if (step.kept) kept.push(step);
      continue;
    }
    if (down) agent.restart(step.at, kept);
    down = false;
    if (step.at >= checkpointAt) {
      agent.checkpoint();
      checkpointAt = step.at + CHECKPOINT;
    }
    agent.to(step.at);
    step.act(agent);
    agent.turn();
  }
  for (let last = now; last < END + QUIET; last += TICK) {
    if (down) agent.restart(last, kept);
    down = false;
    agent.to(last);
  }
}

interface Opened {
  readonly record: KillRecord;
  readonly at: Instant;
  readonly identity: Identity | null;
}

type Journaled =
  | { readonly kill: KillRecord; readonly at: Instant }
  | { readonly exit: ExitRecord }
  | { readonly heard: RuntimeObservation };

/** The agent around `Containers`, as small as it can be: it keeps a checkpoint and a journal, and forgets all else. */
class Agent {
  readonly lines: Line[] = [];
  stateLength = 0;
  readonly #bug: ContainersBug;
  #containers = new Containers(null);
  /** The ledger's memory, which survives. */
  readonly #opened = new Map<string, Opened>();
  #saved = "";
  #journal: Journaled[] = [];
  #now = 0;

  constructor(bug: ContainersBug) {
    this.#bug = bug;
    this.#containers = new Containers(bug.state(null));
  }

  to(now: number): void {
    this.#now = now;
    this.#containers.advance(now);
    this.turn();
  }

  sourceChanged(...[source, up]: Parameters<Containers["sourceChanged"]>): void {
    if (this.#bug.hearsOutages) this.#containers.sourceChanged(source, up);
  }

  observe(observation: Parameters<Containers["observe"]>[0]): void {
    for (const one of this.#bug.observed(observation, this.#now)) {
      const changed = this.#containers.observe(one);
      // What is news is on disk before the turn is over, as in the real agent; a list is asked for anew.
      if (changed.length > 0 && one.kind !== "list") this.#journal.push({ heard: one });
    }
  }

  evidence({ record, at }: Evidence): void {
    this.#tell(record, this.#bug.killAt(at, this.#now));
  }

  turn(): void {
    for (const id of this.#containers.takeChanged()) {
      const opened = this.#opened.get(id);
      if (opened !== undefined && this.#bug.amends) this.#tell(opened.record, opened.at);
    }
    for (const record of this.#containers.takeExits()) {
      this.lines.push({ now: this.#now, kind: "exit", record });
      this.#journal.push({ exit: record });
    }
    if (this.#bug.hurries) this.#containers.advance(this.#now + 3 * SECOND);
  }

  checkpoint(): void {
    this.#saved = JSON.stringify(this.#containers.state());
    this.stateLength = this.#saved.length;
    this.#journal = [];
  }

  restart(now: number, kept: Step[]): void {
    const state: ContainersState = JSON.parse(this.#saved);
    this.#containers = new Containers(this.#bug.state(state));
    for (const one of this.#journal) if ("heard" in one) this.#containers.observe(one.heard);
    for (const one of this.#journal) {
      if ("kill" in one && this.#bug.replaysKills) this.#containers.killTold(one.kill, one.at);
      if ("exit" in one && this.#bug.replaysExits) this.#containers.exitTold(one.exit);
    }
    this.to(now);
    // It takes a while until what happened meanwhile has been read.
    this.#now = now + MILLISECOND;
    for (const step of kept.splice(0)) step.act(this);
    this.turn();
  }

  #tell(record: KillRecord, at: Instant): void {
    const before = this.#opened.get(record.id)?.identity ?? null;
    const now = this.#containers.identify(record, at);
    const identity = before === null ? now : mergeIdentity(before, now);
    this.#opened.set(record.id, { record, at, identity });
    this.lines.push({ now: this.#now, kind: "kill", id: record.id, identity });
    const { container, pod, visibility } = identity;
    const rendered = { ...record, container, pod, visibility };
    this.#containers.killTold(rendered, at);
    this.#journal.push({ kill: rendered, at });
  }
}
