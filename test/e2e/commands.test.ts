import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { createStore } from "../../src/sinks/store.ts";
import { killStream, realClock } from "../../src/sinks/testing/records.ts";
import { oomwitness, type Running } from "./run-command.ts";

const IS_ROOT = process.getuid?.() === 0;
/** No user has this id. */
const NOBODY = 65_534;

/** Whether a real kill can be made here; says why not where it cannot. */
function canKill(t: TestContext): boolean {
  if (IS_ROOT) return true;
  t.skip("needs root to make a memory cgroup and kill in it");
  return false;
}

function temporary(t: TestContext): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "oomwitness-cli-"));
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function started(t: TestContext, words: readonly string[], options = {}): Running {
  const running = oomwitness(words, options);
  t.after(() => void running.child.kill("SIGKILL"));
  return running;
}

function jsonOf(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  assert.ok(typeof value === "object" && value !== null && !Array.isArray(value));
  return Object.fromEntries(Object.entries(value));
}

test("selftest makes one real kill, recorded exactly once", async (t) => {
  if (!canKill(t)) return;
  const selftest = started(t, ["selftest", "--json"]);
  assert.equal(await selftest.ended, 0, selftest.out() + selftest.errors());
  const result = jsonOf(selftest.out());
  assert.equal(result["recorded"], 1);
  assert.ok(Array.isArray(result["items"]) && result["items"].length > 0);
  const left = fs.readdirSync("/sys/fs/cgroup", { recursive: false });
  assert.deepEqual(
    left.filter((name) => String(name).includes(`selftest-${selftest.pid}`)),
    [],
  );
});

test("watch --json prints the kill of a selftest beside it, and ends after it", async (t) => {
  if (!canKill(t)) return;
  const watch = started(t, ["watch", "--json", "--for", "20"]);
  await watch.until(/"source":"vmstat","state":"up"/);
  const selftest = started(t, ["selftest", "--json"]);
  assert.equal(await selftest.ended, 0, selftest.errors());
  const pid = Number(jsonOf(selftest.out())["pid"]);
  await watch.until(new RegExp(`"pid":${pid},"tid":${pid},"comm":"oom-selftest"`));
  watch.child.kill("SIGINT");
  assert.equal(await watch.ended, 0, watch.errors());
  for (const line of watch.out().trimEnd().split("\n")) jsonOf(line);
});

test("watch on a pipe prints plain lines and a summary at the end", async (t) => {
  const watch = started(t, ["watch", "--for", "1"]);
  assert.equal(await watch.ended, 0, watch.errors());
  assert.match(watch.out(), /^oomwitness 0\.1\.0 · /);
  assert.match(watch.out(), /\nTIME +PROCESS/);
  assert.match(watch.out(), /\d+ kills? in 1 s\nkernel \d+ · recorded \d+ /);
  assert.doesNotMatch(watch.out(), /\x1b/);
});

test("watch without any privilege starts, says what it may not, and how to enable it", async (t) => {
  if (!IS_ROOT)
    return t.skip("needs root to become nobody; as an ordinary user the tests above show it");
  const watch = started(t, ["watch", "--for", "6"], { uid: NOBODY });
  await watch.until(/tracefs: [\s\S]*root/i);
  assert.match(watch.out(), /vmstat ✓/);
  watch.child.kill("SIGINT");
  assert.equal(await watch.ended, 0, watch.errors());
});

test("a reader that has enough ends watch without a word", async (t) => {
  const watch = started(t, ["watch"]);
  await watch.until(/TIME/);
  watch.child.stdout?.destroy();
  watch.child.kill("SIGINT");
  assert.equal(await watch.ended, 0);
  assert.equal(watch.errors(), "");
});

test("the agent: one a state directory, one a port, records read back, a quick clean end", async (t) => {
  const state = temporary(t);
  let instances = 0;
  const words = (directory: string, port: number) => [
    ...["agent", "--state-dir", directory, "--listen", `127.0.0.1:${port}`],
    ...["--trace-instance", `oomwitness-test${++instances}-${process.pid}`],
  ];
  const agent = started(t, words(state, 0));
  const [, port = ""] = await agent.until(/listening on http:\/\/127\.0\.0\.1:([0-9]+)/);

  const second = started(t, words(state, 0));
  assert.equal(await second.ended, 1);
  assert.match(
    second.errors(),
    /^oomwitness: E_LOCKED: an agent with pid [0-9]+ already uses .*--state-dir\.\n$/,
  );

  const taken = started(t, words(temporary(t), Number(port)));
  assert.equal(await taken.ended, 1);
  assert.match(taken.errors(), /^oomwitness: E_LISTEN: .*--listen.*\n$/);
  assert.equal(taken.out(), "");

  if (IS_ROOT) await killAndReadBack(t, agent, state);
  const before = performance.now();
  agent.child.kill("SIGTERM");
  assert.equal(await agent.ended, 0, agent.errors());
  assert.ok(
    performance.now() - before < 1_500,
    "the end takes less than a second, and some on a busy machine",
  );
  assert.equal(fs.existsSync(path.join(state, "agent.lock")), false);
  if (IS_ROOT) assert.deepEqual(instancesLeft(), [], "no trace instance stays behind");
});

/** Trace instances of this test, where tracefs is mounted. */
function instancesLeft(): readonly string[] {
  const directory = "/sys/kernel/tracing/instances";
  if (!fs.existsSync(directory)) return [];
  return fs.readdirSync(directory).filter((name) => name.endsWith(`-${process.pid}`));
}

async function killAndReadBack(t: TestContext, agent: Running, state: string): Promise<void> {
  const selftest = started(t, ["selftest", "--json"]);
  assert.equal(await selftest.ended, 0, selftest.errors());
  const pid = Number(jsonOf(selftest.out())["pid"]);
  await agent.until(new RegExp(`killed oom-selftest\\[${pid}\\] .* id `));
  // The store writes in batches every 0.1 s.
  await setTimeout(500);
  const list = started(t, ["list", "--json", "--since", "5m", "--state-dir", state]);
  assert.equal(await list.ended, 0, list.errors());
  const line =
    list
      .out()
      .split("\n")
      .find((text) => text.includes(`"pid":${pid},`)) ?? "";
  const id = String(jsonOf(line)["id"]);
  const show = started(t, ["show", id.slice(0, -1), "--state-dir", state]);
  assert.equal(await show.ended, 0, show.errors());
  assert.match(show.out(), new RegExp(`Kill ${id}[\\s\\S]*name +oom-selftest[\\s\\S]*seen by +`));
}

test("list and show without records say what to do next, with status 1", async (t) => {
  const state = temporary(t);
  const list = started(t, ["list", "--state-dir", state]);
  assert.equal(await list.ended, 1);
  assert.match(list.errors(), /^oomwitness: E_STORE: nothing is recorded in .*'oomwitness agent'/);
  const show = started(t, ["show", "4219", "--state-dir", state]);
  assert.equal(await show.ended, 1);
  assert.equal(list.out() + show.out(), "");
});

test("the agent says so when its state directory cannot be made", async (t) => {
  const agent = started(t, ["agent", "--state-dir", "/proc/oomwitness", "--listen", "127.0.0.1:0"]);
  assert.equal(await agent.ended, 1);
  assert.match(
    agent.errors(),
    /^oomwitness: E_STATE_DIR: cannot make \/proc\/oomwitness \([A-Z]+\): .*--state-dir/,
  );
});

test("doctor tells sources and facts, as JSON too", async (t) => {
  const doctor = started(t, ["doctor", "--json"]);
  assert.equal(await doctor.ended, 0, doctor.errors());
  const { items, machine } = jsonOf(doctor.out());
  assert.ok(Array.isArray(items) && items.length >= 4);
  assert.ok(typeof machine === "object" && machine !== null && "kernel" in machine);
});

test("the environment sets flags, the command line wins", async (t) => {
  const env = { OOMWITNESS_STATE_DIR: "/nonexistent/a", OOMWITNESS_JSON: "0" };
  const first = started(t, ["list"], { env });
  await first.ended;
  assert.match(first.errors(), /\/nonexistent\/a/);
  const second = started(t, ["list", "--state-dir", "/nonexistent/b"], { env });
  await second.ended;
  assert.match(second.errors(), /\/nonexistent\/b/);
});

test("a port that is taken by a stranger is named", async (t) => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.on("listening", resolve));
  t.after(() => void server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const where = `127.0.0.1:${address.port}`;
  const agent = started(t, [
    ...["agent", "--state-dir", temporary(t), "--listen", where],
    ...["--trace-instance", `oomwitness-test9-${process.pid}`],
  ]);
  assert.equal(await agent.ended, 1);
  assert.ok(agent.errors().includes(where), agent.errors());
});

test("a slow reader of list gets every line, and one that reads nothing does not hold it", async (t) => {
  const directory = temporary(t);
  const store = createStore({
    path: path.join(directory, "oomwitness.db"),
    clock: realClock,
    report: (sentence) => assert.fail(sentence),
  });
  // More than a pipe holds.
  const kills = killStream(1, 500).map(({ sequence, record }) => ({
    sequence,
    record: { ...record, at: new Date(Date.now() - sequence * 1000).toISOString() },
  }));
  store.accept(kills);
  await store.close();
  const words = ["list", "--json", "--limit", "500", "--state-dir", directory];
  const slow = started(t, words);
  slow.child.stdout?.pause();
  await setTimeout(1000);
  slow.child.stdout?.resume();
  assert.equal(await slow.ended, 0, slow.errors());
  assert.equal(slow.out().trimEnd().split("\n").length, 500);

  const stuck = started(t, words);
  stuck.child.stdout?.pause();
  await setTimeout(1000);
  stuck.child.kill("SIGTERM");
  stuck.child.once("exit", () => stuck.child.stdout?.resume());
  assert.equal(await stuck.ended, 0, stuck.errors());
});
