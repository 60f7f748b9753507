import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LabDocker, whyNoDocker } from "../../lab/docker.ts";
import type { SourceState, Verdict } from "../../src/model/record.ts";
import { ContainerAgent, within } from "./support/container-agent.ts";

// dockerd is killed, and later restarted, while kills go on in its containers: nothing may be lost, nothing invented.

const skip = whyNoDocker() ?? false;
let docker: LabDocker;
let agent: ContainerAgent;

before(async () => {
  if (skip) return;
  docker = await LabDocker.start();
  agent = await ContainerAgent.start({ docker: docker.socket });
});

after(async () => {
  await agent?.dispose();
  await docker?.dispose();
});

/** A container of the storm, and what its programs know of themselves. */
interface Actor {
  readonly name: string;
  readonly words: readonly string[];
  readonly options: readonly string[];
  /** Children killed in each of its lives. */
  readonly children: number;
  /** How its main process ends in each of its lives; `null`: it does not. */
  readonly end: "exit 0" | "killed" | null;
}

function actors(count: number, one: Omit<Actor, "name">, name: string): Actor[] {
  return Array.from({ length: count }, (_, index) => ({ ...one, name: `${name}-${index}` }));
}

function cast(): Actor[] {
  const words = (kills: number, pause: number, ...end: string[]) => [
    "/supervisor",
    `--kills=${kills}`,
    `--pause=${pause}`,
    ...end,
  ];
  const storm = { words: words(60, 40, "--until-term=0"), options: [], children: 60, end: null };
  const ends = {
    words: words(10, 200, "--exit=0"),
    options: [],
    children: 10,
    end: "exit 0" as const,
  };
  const dies = {
    words: words(10, 200, "--grow"),
    options: [],
    children: 10,
    end: "killed" as const,
  };
  const again = {
    words: words(2, 500, "--grow"),
    options: ["--restart=on-failure:2"],
    children: 2,
    end: "killed" as const,
  };
  return [
    ...actors(4, storm, "storm"),
    ...actors(3, ends, "ends"),
    ...actors(3, dies, "dies"),
    ...actors(2, again, "again"),
  ];
}

test("dockerd killed and restarted in the middle of a storm", { skip }, async (t) => {
  const started = await Promise.all(
    cast().map(async (actor) => {
      const diary = `--volume=${docker.directory}:/lab`;
      const options = [`--name=${actor.name}`, diary, ...actor.options];
      const words = [...actor.words, `--diary=/lab/${actor.name}`];
      return { actor, id: await docker.start(16, options, words) };
    }),
  );
  await docker.stopDaemon("SIGKILL");
  await sleep(3_000);
  await docker.startDaemon();
  await heard();
  await docker.stopDaemon("SIGTERM");
  await sleep(500);
  await docker.startDaemon();
  await heard();
  await Promise.all(
    started.map(async ({ actor, id }) => {
      await over(actor, id);
      await assertTold(actor, id, truthOf(actor));
    }),
  );
  const told = started.map(({ id }) => agent.told(id));
  const kills = told.reduce((sum, one) => sum + one.kills.length, 0);
  const exits = told.reduce((sum, one) => sum + one.exits.length, 0);
  await agent.agent.settle();
  const { unaccounted } = await agent.agent.ledger();
  assert.equal(unaccounted, 0);
  t.diagnostic(`${kills} kills and ${exits} exits of ${started.length} containers, none missing`);
  assertGapTold(t);
});

/** What Docker and containerd say when they lost a process. */
const LOST = 255;

/** The agent tries again after ever longer pauses. */
async function heard(): Promise<void> {
  const up = () => dockerStates().at(-1)?.state === "up";
  await within(20, "Docker heard again", up, () => JSON.stringify(dockerStates()));
}

function dockerStates(): { state: SourceState; at: number }[] {
  return agent.events.flatMap(({ record, receivedAtMilliseconds }) =>
    record.type === "source" && record.source === "docker"
      ? [{ state: record.state, at: receivedAtMilliseconds }]
      : [],
  );
}

/** What the programs themselves wrote down: what they print is lost while nobody reads it. */
interface Truth {
  readonly lives: number;
  readonly children: number;
}

function truthOf({ name }: Actor): Truth {
  const lines = readFileSync(`${docker.directory}/${name}`, "utf8").split("\n");
  const count = (word: string) => lines.filter((line) => line === word).length;
  return { lives: count("life"), children: count("child") };
}

/** Waits until the programs have played their part. */
async function over(actor: Actor, id: string): Promise<void> {
  let last = "";
  let since = Date.now();
  await within(40, `${actor.name} is done`, async () => {
    if (actor.end === null) return truthOf(actor).children === actor.children;
    const now = await docker.run("inspect", "--format={{json .State}}", id);
    if (now !== last) since = Date.now();
    last = now;
    // Between two lives it has exited, too, for a moment.
    return now.includes('"Status":"exited"') && Date.now() - since > 1_500;
  });
}

async function assertTold(actor: Actor, id: string, { lives, children }: Truth): Promise<void> {
  assert.equal(children, lives * actor.children, `${actor.name} as it should have been`);
  const ofMain = actor.end === "killed" ? 1 : 0;
  const exits = actor.end === null ? 0 : lives;
  const told = await agent.expect(id, children + lives * ofMain, exits);
  const seen = `${actor.name}: ${agent.describe(id)}`;
  // Which process is the main one of a life that began and ended while the daemon was away, nobody told.
  const offspring = told.kills.filter(({ victim }) => victim.main === false);
  const main = told.kills.filter(({ victim }) => victim.main === true);
  const unheard = told.kills.length - offspring.length - main.length;
  assert.ok(unheard === 0 || actor.end === "killed", seen);
  assert.ok(main.length <= lives * ofMain && offspring.length <= children, seen);
  for (const kill of told.kills) assert.equal(kill.container?.name, actor.name, seen);
  const reported = (await docker.run("inspect", "--format={{.State.OOMKilled}}", id)) === "true";
  for (const [index, { verdict, exitCode }] of told.exits.entries()) {
    const last = index === lives - 1;
    // Of a life that ended in the gap and was followed by another, the daemon keeps no exit code; or it makes one up: 255.
    const isLost = !last && (exitCode === null || exitCode === LOST);
    assert.ok(exitCode === (actor.end === "killed" ? 137 : 0) || isLost, seen);
    const allowed = verdicts(actor, last ? reported : null);
    assert.ok(allowed.includes(verdict) || (isLost && verdict === "unknown"), seen);
  }
  if (actor.end === null) return;
  const named = told.exits.flatMap((exit) => exit.kills);
  const ofKnownLives = told.kills.filter(({ victim }) => victim.main !== null);
  assert.equal(new Set(named).size, named.length, seen);
  for (const { id: kill } of ofKnownLives) assert.ok(named.includes(kill), `${kill} ${seen}`);
}

/** A daemon that was away may have missed the kills, or may have told of them and forgotten: then its word is wrong. */
function verdicts({ end }: Actor, reported: boolean | null): readonly Verdict[] {
  const killed: Verdict[] = ["oom-killed", "oom-unreported"];
  const peaceful: Verdict[] = ["oom-stale", "not-oom"];
  const both = end === "killed" ? killed : peaceful;
  return reported === true ? both.slice(0, 1) : both;
}

/** The stream says when Docker could not be heard. */
function assertGapTold(t: TestContext): void {
  // Each new reason why it is down is told, too.
  const states = dockerStates().filter(({ state }, index, all) => state !== all[index - 1]?.state);
  assert.deepEqual(
    states.map(({ state }) => state),
    ["up", "down", "up", "down", "up"],
  );
  const gaps = states.flatMap(({ state, at }, index) => {
    const next = states.slice(index).find((later) => later.state === "up");
    return state === "down" && next ? [`${((next.at - at) / 1000).toFixed(1)} s`] : [];
  });
  t.diagnostic(`Docker was not heard for ${gaps.join(", ")}`);
}
