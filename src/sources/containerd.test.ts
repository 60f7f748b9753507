import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LabContainerd, whyNoContainerd } from "../../lab/containerd.ts";
import type { LabPod, LabPods } from "../../lab/containerd-pods.ts";
import { eventually, type RunningSource, startSource } from "../../test/source-harness.ts";
import { Version } from "../host/protocol/containerd/services/version/v1/version_pb.js";
import { createHost } from "../host/real.ts";
import type { ContainerFacts, ExitObservation } from "../model/container.ts";
import { createContainerdSource } from "./containerd.ts";
import { createCriSource } from "./cri.ts";
import { DEFAULT_SOURCE_OPTIONS, type Source, type SourceOptions } from "./source.ts";

const here = { skip: whyNoContainerd() ?? false };
const HUNGRY = ["dd", "if=/dev/zero", "of=/dev/null", "bs=20M"];

let containerd: LabContainerd;
let pods: LabPods;
let pod: LabPod;

before(async () => {
  if (here.skip !== false) return;
  containerd = await LabContainerd.start();
  pods = await containerd.pods();
  pod = await pods.run("cart-0");
});
after(async () => {
  pods?.close();
  await containerd?.dispose();
});

function options(): SourceOptions {
  const { socket } = containerd;
  return { ...DEFAULT_SOURCE_OPTIONS, sockets: { containerd: socket, cri: socket } };
}

async function start(name: string, command: readonly string[], attempt = 0): Promise<string> {
  const id = await pods.create(pod, { name, command, limitMebibytes: 15, attempt });
  await pods.start(id);
  return id;
}

async function follow(source: Source, cursor: string | null = null): Promise<RunningSource> {
  const running = startSource(source, { cursor });
  assert.equal(typeof (await running.upOrEnd), "string");
  return running;
}

test(
  "a killed main process: container, pod, process, cgroup, and its exit from both",
  here,
  async () => {
    const events = await follow(createContainerdSource(options()));
    const asked = await follow(createCriSource(options()));
    const id = await start("api", HUNGRY, 3);
    asked.source.poke?.([]);
    await eventually("both exits", () => exitOf(events, id) !== null && exitOf(asked, id) !== null);
    const facts = containersOf(events, id).at(-1);
    assert.deepEqual(
      [facts?.name, facts?.pod?.name, facts?.pod?.namespace, facts?.pod?.uid, facts?.sandbox],
      ["api", "cart-0", "stress", pod.uid, false],
    );
    assert.ok(facts?.cgroupPath?.startsWith(`${containerd.cgroup}/`), `${facts?.cgroupPath}`);
    assert.ok(facts?.cgroupPath?.endsWith(`/${id}`));
    const exit = exitOf(events, id);
    assert.deepEqual([exit?.exitCode, exit?.mainPid], [137, facts?.mainPid]);
    const told = exitOf(asked, id);
    const { reason } = await pods.status(id);
    assert.deepEqual([told?.exitCode, told?.oomReported], [137, reason === "OOMKilled"]);
    const stamps = [exit, told].map((one) => one?.at.wallMicroseconds ?? 0);
    assert.equal(stamps[0], stamps[1], "one end, one stamp");
    assert.equal(containersOf(asked, id).at(-1)?.restarts, 3);
    assert.equal(containersOf(asked, pod.id).at(-1)?.sandbox, true);
    await events.stop();
    await asked.stop();
    await pods.remove(id);
  },
);

test("a process of `exec` is no exit; a removed container is gone", here, async () => {
  const events = await follow(createContainerdSource(options()));
  assert.equal(containersOf(events, pod.id).at(-1)?.sandbox, true);
  const id = await start("calm", ["sleep", "1000"]);
  assert.equal(await pods.execute(id, ["sh", "-c", "exit 7"]), 7);
  await pods.stop(id, 0);
  await pods.remove(id);
  await eventually("its end", () => events.runtime.some((one) => isGone(one, id)));
  const exits = exitsOf(events, id);
  assert.deepEqual([exits.length, exits[0]?.exitCode], [1, 137]);
  assert.equal(exits[0]?.oomReported, false);
  await events.stop();
});

test("only the namespaces that were chosen, both listed and followed", here, async () => {
  const chosen = (name: string) => ({ ...options(), containerdNamespaces: [name] });
  const kubernetes = await follow(createContainerdSource(chosen("k8s.io")));
  const other = await follow(createContainerdSource(chosen("default")));
  const id = await start("choosy", ["true"]);
  await eventually("the exit", () => exitOf(kubernetes, id) !== null);
  const names = [pod.id, id].map((one) => containersOf(kubernetes, one).length > 0);
  assert.deepEqual(names, [true, true]);
  assert.deepEqual(
    other.runtime.filter(({ kind }) => kind !== "list"),
    [],
  );
  await kubernetes.stop();
  await other.stop();
  await pods.remove(id);
});

test("what ends while the daemon is dead is told once, when it is back", here, async () => {
  const events = createContainerdSource(options());
  const asked = createCriSource(options());
  const id = await start("doomed", ["sleep", "1000"]);
  const before = [await follow(events), await follow(asked)];
  const pid = containersOf(before[0], id).at(-1)?.mainPid ?? 0;
  assert.ok(pid > 1);
  await containerd.stopDaemon("SIGKILL");
  for (const running of before) await assert.rejects(running.end);
  process.kill(pid, "SIGKILL");
  await containerd.startDaemon();
  const again = [await follow(events), await follow(asked)];
  await eventually("the exit", () => again.some((one) => exitOf(one, id) !== null), 10_000);
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const running of again) assert.ok(exitsOf(running, id).length <= 1);
  const [exit] = again.flatMap((one) => exitsOf(one, id));
  assert.equal(exit?.exitCode, 137);
  for (const running of again) await running.stop();
  await pods.remove(id);
});

test(
  "a new process with the cursor of the old one tells what ended in between, and nothing again",
  here,
  async () => {
    const first = await follow(createCriSource(options()));
    const told = await start("told", ["true"]);
    await eventually("the first exit", () => exitOf(first, told) !== null);
    const missed = await start("missed", ["sleep", "1000"]);
    await eventually("it runs", () => containersOf(first, missed).length > 0);
    await first.stop();
    await pods.stop(missed, 0);
    const second = await follow(createCriSource(options()), first.cursors.at(-1) ?? null);
    assert.equal(exitOf(second, missed)?.exitCode, 137);
    await second.stop();
    const fresh = await follow(createCriSource(options()));
    assert.deepEqual([exitOf(fresh, missed), exitOf(fresh, told)], [null, null], "history");
    await fresh.stop();
  },
);

for (const create of [createContainerdSource, createCriSource]) {
  test(
    `${create.name}: stops within 1 s, also before it is up, and keeps no socket`,
    here,
    async () => {
      const sockets = openSockets();
      const hostile = ["", "/", "/\0", "/\ud800", `/${"long/".repeat(2000)}`];
      const source = create(options());
      source.poke?.(hostile);
      for (const isUp of [true, false]) {
        const running = startSource(source);
        if (isUp) await running.upOrEnd;
        source.poke?.(hostile);
        const before = performance.now();
        assert.deepEqual(await running.stop(), { kind: "stopped" });
        assert.ok(performance.now() - before < 1000);
        assert.equal(running.notes.length, isUp ? 1 : 0);
      }
      source.poke?.(hostile);
      await eventually("sockets given back", () => openSockets() <= sockets);
    },
  );
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "PipeWrap").length;
}

test("a closed connection stays closed", here, async () => {
  const connection = await createHost().grpc.connect(containerd.socket);
  const calls = { timeoutMilliseconds: 5_000, signal: new AbortController().signal };
  assert.notEqual((await connection.call(Version.method.version, {}, calls)).version, "");
  connection.close();
  await assert.rejects(connection.call(Version.method.version, {}, calls), { code: "ECANCELED" });
});

test("no socket: said with its name, and what to do", async () => {
  const sockets = { containerd: "/no/such.sock", cri: "/no/such.sock" };
  const options = { ...DEFAULT_SOURCE_OPTIONS, sockets };
  for (const source of [createContainerdSource(options), createCriSource(options)]) {
    const end = await startSource(source).end;
    assert.ok(end.kind === "unavailable" && end.reason.includes("/no/such.sock"));
    assert.match(end.remedy, /-socket\.$/);
  }
});

function containersOf(running: RunningSource | undefined, id: string): ContainerFacts[] {
  const told = running?.runtime ?? [];
  return told.flatMap((one) =>
    one.kind === "container" && one.container.id === id ? [one.container] : [],
  );
}

function exitsOf(running: RunningSource, id: string): ExitObservation[] {
  return running.runtime.flatMap((one) =>
    one.kind === "exit" && one.containerId === id ? [one] : [],
  );
}

function exitOf(running: RunningSource, id: string): ExitObservation | null {
  return exitsOf(running, id)[0] ?? null;
}

function isGone(one: RunningSource["runtime"][number], id: string): boolean {
  return one.kind === "gone" && one.containerId === id;
}
