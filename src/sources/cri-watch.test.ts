import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "../../test/source-harness.ts";
import { createHost } from "../host/real.ts";
import type { RuntimeObservation } from "../model/container.ts";
import type { CriApi, CriContainer, CriStatus } from "./cri-api.ts";
import { type CriKnown, CriWatch } from "./cri-watch.ts";

type Phase = CriContainer["phase"];

/** A runtime with the containers that a test gives it. */
class ScriptedRuntime implements CriApi {
  readonly there = new Map<string, { phase: Phase; exitCode: number; reason: string }>();
  readonly asked: string[] = [];
  polls = 0;
  readonly runtime: string;

  constructor(runtime: string) {
    this.runtime = runtime;
  }

  put(id: string, phase: Phase, exitCode = 0, oom: "OOMKilled" | "Error" = "Error"): void {
    this.there.set(id, { phase, exitCode, reason: oom });
  }

  async sandboxes() {
    this.polls++;
    const metadata = { name: "cart-0", namespace: "shop", uid: "8712f785", attempt: 0 };
    return [{ id: "pause", metadata }] as unknown as Awaited<ReturnType<CriApi["sandboxes"]>>;
  }

  async containers() {
    const base = { podSandboxId: "pause", metadata: { name: "api", attempt: 4 }, imageRef: "" };
    const all = [...this.there].map(([id, { phase }]) => ({ ...base, id, phase }));
    return all as unknown as readonly CriContainer[];
  }

  async status(id: string, verbose: boolean): Promise<CriStatus | null> {
    this.asked.push(`${id} ${verbose ? "verbose" : "short"}`);
    const one = this.there.get(id);
    if (one === undefined) return null;
    const finishedMicroseconds = one.phase === "exited" ? Date.now() * 1000 : null;
    return {
      phase: one.phase,
      startedMicroseconds: 1_795_245_761_000_000,
      finishedMicroseconds,
      end: { exitCode: one.exitCode, oomReported: one.reason === "OOMKilled" },
      mainPid: verbose ? process.pid : null,
    };
  }

  version = async () => this.runtime;
  close = () => {};
}

const stop = new AbortController();
after(() => stop.abort());

function watch(runtime: ScriptedRuntime, newsSince = 0) {
  const told: RuntimeObservation[] = [];
  const cursors: string[] = [];
  const context = {
    host: createHost(),
    stop: stop.signal,
    bootId: "boot",
    cursor: null,
    emit: (observations: readonly unknown[]) =>
      void told.push(...(observations as readonly RuntimeObservation[])),
    up: () => {},
    lost: () => {},
    disturbed: () => {},
    saveCursor: (cursor: string) => void cursors.push(cursor),
  };
  const known = new Map<string, CriKnown>();
  const scope = { context, procRoot: "/proc", newsSince, known };
  return { told, cursors, watch: new CriWatch(scope, runtime, "/run/x.sock") };
}

function said(told: readonly RuntimeObservation[], id: string) {
  return told.flatMap((one) => {
    if (one.kind === "container") return one.container.id === id ? [one.kind] : [];
    return one.kind !== "list" && one.containerId === id ? [one.kind] : [];
  });
}

test("CRI-O: the main process and its cgroup are asked for, once, after the list", async () => {
  const runtime = new ScriptedRuntime("cri-o");
  const { told, watch: one } = watch(runtime);
  runtime.put("c1", "running");
  await one.poll();
  assert.deepEqual(runtime.asked, [], "the list comes first");
  await one.poll();
  await one.poll();
  assert.deepEqual(runtime.asked, ["c1 verbose"]);
  const last = told.findLast((one) => one.kind === "container" && one.container.id === "c1");
  assert.ok(last?.kind === "container");
  const { runtime: name, mainPid, cgroupPath, restarts, pod } = last.container;
  assert.deepEqual([name, mainPid, restarts, pod?.name], ["cri-o", process.pid, 4, "cart-0"]);
  assert.ok(cgroupPath?.startsWith("/"));
  assert.deepEqual(said(told, "c1"), ["container", "container"], "no news, no word");
});

test("containerd tells the process itself: only the start is asked for", async () => {
  const runtime = new ScriptedRuntime("containerd");
  const { told, watch: one } = watch(runtime);
  runtime.put("c1", "running");
  await one.poll();
  await one.poll();
  assert.deepEqual(runtime.asked, ["c1 short"]);
  const last = told.findLast((one) => one.kind === "container" && one.container.id === "c1");
  assert.ok(last?.kind === "container" && last.container.startedAt !== null);
});

test("ends are told once; ends from before are history; what is removed is gone", async () => {
  const runtime = new ScriptedRuntime("containerd");
  const since = Date.now() * 1000 + 200_000;
  const { told, cursors, watch: one } = watch(runtime, since);
  runtime.put("old", "exited");
  await one.poll();
  await new Promise((resolve) => setTimeout(resolve, 250));
  runtime.put("short", "exited", 137, "OOMKilled");
  await one.poll();
  await one.poll();
  assert.deepEqual(said(told, "old"), ["container", "container"]);
  assert.deepEqual(said(told, "short"), ["container", "container", "exit"]);
  const exit = told.find((one) => one.kind === "exit");
  assert.ok(exit?.kind === "exit" && exit.oomReported === true && exit.exitCode === 137);
  assert.equal(cursors.at(-1), String(exit.at.wallMicroseconds));
  runtime.there.delete("short");
  await one.poll();
  assert.equal(said(told, "short").at(-1), "gone");
});

test("after a kill it asks again soon; otherwise ever so often", async () => {
  const runtime = new ScriptedRuntime("containerd");
  const { watch: one } = watch(runtime);
  const end = one.follow();
  end.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(runtime.polls, 0);
  one.hurry();
  await eventually("four looks", () => runtime.polls >= 4, 1400);
});
