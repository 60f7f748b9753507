import assert from "node:assert/strict";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ExitRecord, KillRecord } from "../../../src/model/record.ts";
import { TestAgent } from "./agent.ts";
import { EventStream } from "./event-stream.ts";

const OOMWITNESS = resolve(import.meta.dirname, "../../../bin/oomwitness");

/** All that was told of one container. */
export interface Told {
  /** The latest revision of each kill, oldest first. */
  readonly kills: readonly KillRecord[];
  /** The latest revision of each exit, in the order in which they were opened. */
  readonly exits: readonly ExitRecord[];
}

/** An agent that follows one daemon, and everything it tells from its start on. */
export class ContainerAgent {
  readonly agent: TestAgent;
  readonly #stream: EventStream;
  readonly #startedAt = new Date().toISOString();

  private constructor(agent: TestAgent) {
    this.agent = agent;
    this.#stream = new EventStream(agent.url("/api/v1/events"));
  }

  /** `sockets`: of the daemons to follow, by source. */
  static async start(sockets: Readonly<Record<string, string>>): Promise<ContainerAgent> {
    const variables = Object.entries(sockets).map(
      ([source, socket]) => `OOMWITNESS_${source.toUpperCase()}_SOCKET=${socket}`,
    );
    // Its own: what it records must go with it.
    variables.push(`OOMWITNESS_TRACE_INSTANCE=oomwitness-containers-${process.pid}`);
    const agent = await TestAgent.create(["env", ...variables, OOMWITNESS]);
    await agent.start();
    const told = new ContainerAgent(agent);
    await within(10, "the event stream", () => told.#stream.connected);
    return told;
  }

  get events(): EventStream["events"] {
    return this.#stream.events;
  }

  told(id: string): Told {
    const latest = new Map<string, KillRecord>();
    const exits = new Map<string, ExitRecord>();
    for (const { record } of this.events) {
      if (record.type === "kill" && isIn(record, id)) latest.set(record.id, record);
      if (record.type === "exit" && record.container.id === id) exits.set(record.id, record);
    }
    const kills = [...latest.values()].sort((one, other) => (one.at < other.at ? -1 : 1));
    return { kills, exits: [...exits.values()] };
  }

  /** Waits until so many kills and exits were told of a container, and then for surplus ones. */
  async expect(id: string, kills: number, exits: number): Promise<Told> {
    const enough = () => {
      const told = this.told(id);
      return told.kills.length >= kills && told.exits.length >= exits;
    };
    await within(20, `${kills} kills and ${exits} exits`, enough, () => this.describe(id));
    await sleep(SURPLUS_MILLISECONDS);
    const told = this.told(id);
    assert.equal(told.kills.length, kills, `kills: ${this.describe(id)}`);
    assert.equal(told.exits.length, exits, `exits: ${this.describe(id)}`);
    this.assertOrder(id);
    return told;
  }

  /** In the stream each kill was opened before the exit that names it, and none of its run after it. */
  assertOrder(id: string): void {
    const opened = new Set<string>();
    let lastEnd = "";
    for (const { record } of this.events) {
      if (record.type === "kill" && record.revision === 0 && this.#isOf(record.id, id)) {
        opened.add(record.id);
        assert.ok(record.at > lastEnd, `a kill of ${record.at} was told after the exit ${lastEnd}`);
      }
      if (record.type !== "exit" || record.container.id !== id) continue;
      lastEnd = record.at;
      for (const kill of record.kills) assert.ok(opened.has(kill), `${kill} came after its exit`);
    }
  }

  /** What was told of a container, for a message. */
  describe(id: string): string {
    const { kills, exits } = this.told(id);
    const victims = kills.map(({ victim, limit, visibility, at }) => {
      const which = victim.main === null ? "?" : victim.main ? "main" : "child";
      return `${at} ${victim.comm} ${which} ${limit.scope} ${visibility}`;
    });
    const ends = exits.map(
      ({ at, exitCode, verdict, kills: named }) =>
        `${at} exit ${exitCode} ${verdict} of ${named.length} kills`,
    );
    return JSON.stringify(
      [...victims, ...ends, ...this.#describeHomeless(), this.agent.end],
      null,
      1,
    );
  }

  /**
   * Whether a kill of which nobody knows the place was told around an end: then what ended the container is not known either.
   * On a machine of its own a test makes none.
   */
  isMuddled({ at }: ExitRecord): boolean {
    const near = (kill: KillRecord) => Math.abs(Date.parse(kill.at) - Date.parse(at)) < 3_000;
    return this.#homeless().some((kill) => kill.cgroup.path === null && near(kill));
  }

  /** Kills of which nobody knows the container: they may be the missing ones. */
  #homeless(): KillRecord[] {
    const latest = new Map<string, KillRecord>();
    for (const { record } of this.events) if (record.type === "kill") latest.set(record.id, record);
    return [...latest.values()].filter(
      ({ container, at }) => container === null && at > this.#startedAt,
    );
  }

  #describeHomeless(): string[] {
    return this.#homeless()
      .slice(0, 10)
      .map(
        ({ at, victim, cgroup, attribution, witnesses }) =>
          `${at} ${victim.comm} ${victim.pid} in ${cgroup.path} ${attribution} by ${witnesses}`,
      );
  }

  async dispose(): Promise<void> {
    await this.#stream.close();
    await this.agent.dispose();
  }

  /** Whether any revision of the kill says that it was in this container. */
  #isOf(killId: string, containerId: string): boolean {
    return this.told(containerId).kills.some((kill) => kill.id === killId);
  }
}

/** Amendments and exits that should not be there would have come by then. */
const SURPLUS_MILLISECONDS = 1_500;

function isIn({ container, cgroup }: KillRecord, id: string): boolean {
  return container === null ? (cgroup.path?.includes(id) ?? false) : container.id === id;
}

/** Waits until `condition` holds. */
export async function within(
  seconds: number,
  what: string,
  condition: () => boolean | Promise<boolean>,
  describe: () => string = () => "",
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what} ${describe()}`);
    await sleep(25);
  }
}
