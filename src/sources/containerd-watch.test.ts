import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "../../test/source-harness.ts";
import { createHost } from "../host/real.ts";
import type { RuntimeObservation } from "../model/container.ts";
import type { ContainerdApi, ContainerdEvent, ContainerdTask } from "./containerd-api.ts";
import { KnownContainers } from "./containerd-known.ts";
import { ContainerdWatch } from "./containerd-watch.ts";

const ID = "f4ec".repeat(16);
const NAMESPACE = "k8s.io";

/** A daemon that says what it is told to say. */
class ScriptedDaemon implements ContainerdApi {
  readonly containersThere = new Map<string, { namespace: string; task: ContainerdTask | null }>();
  answer: Promise<void> = Promise.resolve();
  lists = 0;
  readonly #events: ContainerdEvent[] = [];
  #wake = () => {};
  #broken: Error | null = null;

  say(...events: readonly Partial<ContainerdEvent>[]): void {
    const nothing = { wallMicroseconds: null, pid: 0, exitStatus: 0, kind: "changed" } as const;
    const full = { namespace: NAMESPACE, containerId: ID, ...nothing };
    this.#events.push(...events.map((event) => ({ ...full, ...event })));
    this.#wake();
  }

  break(): void {
    this.#broken = new Error("broken");
    this.#wake();
  }

  async *events(): AsyncIterable<ContainerdEvent> {
    for (;;) {
      yield* this.#events.splice(0);
      if (this.#broken !== null) throw this.#broken;
      if (this.#events.length === 0) await new Promise<void>((wake) => (this.#wake = wake));
    }
  }

  async container(_namespace: string, id: string) {
    await this.answer;
    return this.containersThere.has(id) ? { id, image: "box:1", labels: {} } : null;
  }

  async *containers(namespace: string) {
    this.lists++;
    for (const [id, one] of this.containersThere) {
      if (one.namespace === namespace) yield { id, image: "box:1", labels: {} };
    }
  }

  async tasks(namespace: string) {
    const there = [...this.containersThere.values()].filter((one) => one.namespace === namespace);
    return there.flatMap(({ task }) => task ?? []);
  }

  namespaces = async () => [NAMESPACE, "default"];
  version = async () => "1.6.20";
  close = () => {};
}

interface Following {
  readonly told: RuntimeObservation[];
  readonly known: KnownContainers;
  lost: number;
  readonly end: Promise<unknown>;
}

async function follow(
  daemon: ScriptedDaemon,
  known = new KnownContainers(),
  toldUntil: number | null = null,
): Promise<Following> {
  const told: RuntimeObservation[] = [];
  const losses = { lost: 0 };
  const context = {
    host: createHost(),
    stop: new AbortController().signal,
    bootId: "boot",
    cursor: null,
    emit: (observations: readonly unknown[]) =>
      void told.push(...(observations as readonly RuntimeObservation[])),
    up: () => {},
    lost: (count: number) => {
      losses.lost += count;
    },
    disturbed: () => {},
    saveCursor: () => {},
  };
  const scope = { context, procRoot: "/nowhere", known, toldUntil, heardMicroseconds: null };
  const watch = new ContainerdWatch(scope, daemon, "/run/x.sock");
  await watch.list();
  const end = watch.follow().catch((error: unknown) => error);
  return Object.assign(losses, { told, known, end });
}

function exits({ told }: Following) {
  return told.flatMap((one) => (one.kind === "exit" ? [one] : []));
}

const running = (pid: number): ContainerdTask => ({
  containerId: ID,
  pid,
  stopped: false,
  exitStatus: 0,
  exitedMicroseconds: null,
});

test("an exit is told once: by its event, by the deletion of the task, by a later list", async () => {
  const daemon = new ScriptedDaemon();
  daemon.containersThere.set(ID, { namespace: NAMESPACE, task: null });
  const following = await follow(daemon);
  daemon.say(
    { kind: "task-created", pid: 71 },
    { kind: "task-started", pid: 71 },
    { kind: "oom" },
    { kind: "exit", pid: 71, exitStatus: 137 },
    { kind: "exit", pid: 71, exitStatus: 137 },
    { kind: "task-started", pid: 71 },
  );
  await eventually("the exit", () => exits(following).length > 0);
  daemon.break();
  await following.end;
  const back = new ScriptedDaemonWith(daemon);
  const again = await follow(back, following.known, 1);
  back.break();
  await again.end;
  const told = [...exits(following), ...exits(again)];
  assert.deepEqual([told.length, told[0]?.mainPid, told[0]?.oomReported], [1, 71, true]);
});

test("an end of which only the list knows is told with what the list says", async () => {
  const daemon = new ScriptedDaemon();
  daemon.containersThere.set(ID, { namespace: "default", task: running(71) });
  const first = await follow(daemon);
  daemon.break();
  await first.end;
  const exitedMicroseconds = 1_795_245_761_199_535;
  const task = { ...running(71), stopped: true, exitStatus: 3, exitedMicroseconds };
  daemon.containersThere.set(ID, { namespace: "default", task });
  const back = new ScriptedDaemonWith(daemon);
  const second = await follow(back, first.known);
  back.break();
  await second.end;
  const [exit] = exits(second);
  assert.deepEqual([exit?.exitCode, exit?.at.wallMicroseconds], [3, exitedMicroseconds]);
});

test("another process in the container: the first one ended, nobody knows how", async () => {
  const daemon = new ScriptedDaemon();
  daemon.containersThere.set(ID, { namespace: "default", task: running(71) });
  const first = await follow(daemon);
  daemon.break();
  await first.end;
  daemon.containersThere.set(ID, { namespace: "default", task: running(99) });
  const back = new ScriptedDaemonWith(daemon);
  const second = await follow(back, first.known);
  back.break();
  await second.end;
  const [exit] = exits(second);
  assert.deepEqual([exit?.exitCode, exit?.mainPid, exits(second).length], [null, 71, 1]);
});

test("while an answer is waited for, reading goes on; what does not fit is counted and listed anew", async () => {
  const daemon = new ScriptedDaemon();
  const following = await follow(daemon);
  const { promise, resolve } = Promise.withResolvers<void>();
  daemon.answer = promise;
  const containerId = "ab".repeat(32);
  daemon.containersThere.set(containerId, { namespace: NAMESPACE, task: null });
  const flood = Array.from({ length: 5000 }, () => ({ kind: "oom", containerId }) as const);
  daemon.say({ kind: "changed", containerId }, ...flood);
  await eventually("losses", () => following.lost > 0);
  const lists = daemon.lists;
  resolve();
  await eventually("a new list", () => daemon.lists > lists);
  await eventually("its end", () => following.told.some((one) => one.kind === "list"));
  const heard = following.told.filter((one) => one.kind === "oom-report").length;
  assert.equal(heard + following.lost, flood.length, "told or counted as lost");
  assert.ok(following.lost < 1000, `${following.lost} lost`);
  daemon.break();
  await following.end;
});

test("that containerd speaks of no OOM kill says something only when it was heard from the run's beginning on", async () => {
  const daemon = new ScriptedDaemon();
  daemon.containersThere.set(ID, { namespace: NAMESPACE, task: null });
  const whole = await follow(daemon);
  daemon.say({ kind: "task-created", pid: 71 }, { kind: "exit", pid: 71, exitStatus: 137 });
  await eventually("the exit", () => exits(whole).length > 0);
  daemon.say({ kind: "task-created", pid: 72 });
  await eventually("the next run", () => whole.told.length > 2);
  daemon.break();
  await whole.end;
  daemon.containersThere.set(ID, { namespace: NAMESPACE, task: running(72) });
  const back = new ScriptedDaemonWith(daemon);
  const partly = await follow(back, whole.known);
  back.say({ kind: "exit", pid: 72, exitStatus: 137 });
  await eventually("its exit", () => exits(partly).length > 0);
  back.break();
  await partly.end;
  const reported = [...exits(whole), ...exits(partly)].map((one) => one.oomReported);
  assert.deepEqual(reported, [false, null]);
});

/** The same containers behind a new connection. */
class ScriptedDaemonWith extends ScriptedDaemon {
  constructor(other: ScriptedDaemon) {
    super();
    for (const [id, one] of other.containersThere) this.containersThere.set(id, one);
  }
}
