import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FakeEngine } from "../../test/fake-engine.ts";
import { eventually, type RunningSource, startSource } from "../../test/source-harness.ts";
import type { ContainerFacts, ExitObservation } from "../model/container.ts";
import { createDockerSource } from "./docker.ts";
import { DEFAULT_SOURCE_OPTIONS, type Source } from "./source.ts";

async function engine(t: TestContext): Promise<FakeEngine> {
  const fake = new FakeEngine();
  await fake.start();
  t.after(() => fake.dispose());
  return fake;
}

function sourceOf(fake: FakeEngine): Source {
  const sockets = { docker: fake.socket };
  return createDockerSource({ ...DEFAULT_SOURCE_OPTIONS, procRoot: "/nowhere", sockets });
}

/** Connected and listed. */
async function follow(
  t: TestContext,
  source: Source,
  cursor: string | null = null,
): Promise<RunningSource> {
  const running = startSource(source, { cursor });
  t.after(() => running.stop().catch(() => {}));
  assert.equal(typeof (await running.upOrEnd), "string");
  return running;
}

describe("a daemon with the Engine API", () => {
  test("a life from its making to its removal", async (t) => {
    const fake = await engine(t);
    const running = await follow(t, sourceOf(fake));
    const one = fake.create(1, "one");
    fake.run(one, 4711);
    await eventually("the process", () => lastOf(running, one.id)?.mainPid === 4711);
    fake.oom(one);
    fake.end(one, 137);
    fake.remove(one);
    await eventually("its removal", () => running.runtime.at(-1)?.kind === "gone");
    assert.deepEqual(exitsOf(running, one.id).map(ending), ["137 of 4711, oom true"]);
    assert.equal(lastOf(running, one.id)?.name, "one");
  });

  test("what happens while the list is on its way is told once", async (t) => {
    const fake = await engine(t);
    const [one, two] = [fake.create(1), fake.create(2)];
    fake.run(one, 11);
    fake.run(two, 22);
    fake.intercept = async (path) => {
      if (path !== "/containers/json") return false;
      fake.end(one, 1);
      fake.end(two, 2);
      fake.run(two, 23);
      fake.remove(one);
      const three = fake.create(3);
      fake.run(three, 33);
      fake.end(three, 3);
      await sleep(50);
      return false;
    };
    const running = await follow(t, sourceOf(fake));
    await eventually("the second life", () => lastOf(running, two.id)?.mainPid === 23);
    await sleep(100);
    assert.deepEqual(exitsOf(running).map(ending).sort(), [
      "1 of null, oom null",
      "2 of null, oom null",
      "3 of null, oom false",
    ]);
  });

  test("a daemon that vanishes or answers nonsense is an error to try again", async (t) => {
    const fake = await engine(t);
    fake.intercept = (path, response) => {
      if (path !== "/containers/json") return false;
      response.statusCode = 500;
      response.end("{}");
      return true;
    };
    await assert.rejects(startSource(sourceOf(fake)).end, /no list of containers \(HTTP 500\)/);
    fake.intercept = (path, response) => {
      if (path === "/containers/json") response.end('{"Id":1}');
      return path === "/containers/json";
    };
    await assert.rejects(startSource(sourceOf(fake)).end, /no list of containers/);
    await fake.stop();
    const end = await startSource(sourceOf(fake)).end;
    assert.equal(end.kind, "unavailable");
  });
});

describe("a daemon that was away", () => {
  test("an outage: every end that it hid is told once, and no other", async (t) => {
    const fake = await engine(t);
    const [ended, again, gone, lives] = [1, 2, 3, 4].map((number) => {
      const container = fake.create(number);
      fake.run(container, number * 10);
      return container;
    });
    assert.ok(ended && again && gone && lives);
    const source = sourceOf(fake);
    const first = await follow(t, source);
    await fake.stop();
    await assert.rejects(first.end);
    fake.end(ended, 137, true);
    fake.end(again, 5, true);
    fake.run(again, 21, true);
    again.restarts = 1;
    fake.remove(gone, true);
    await fake.start();
    const second = await follow(t, source, first.cursors.at(-1));
    assert.deepEqual(exitsOf(first), []);
    assert.deepEqual(exitsOf(second).map(ending).sort(), [
      "137 of 10, oom false",
      "null of 20, oom null",
    ]);
    const list = second.runtime.find((told) => told.kind === "list");
    assert.deepEqual(
      list?.kind === "list" && [...list.containerIds].sort(),
      [ended.id, again.id, lives.id].sort(),
    );
    assert.equal(lastOf(second, again.id)?.mainPid, 21);
    assert.notEqual(fake.subscriptions.at(-1), null, "events since the last one are asked for");
  });

  test("several lives behind an outage, of which the daemon tells all but the first end", async (t) => {
    const fake = await engine(t);
    const one = fake.create(1);
    const source = sourceOf(fake);
    const first = await follow(t, source);
    fake.run(one, 10);
    await eventually("the first life", () => lastOf(first, one.id)?.mainPid === 10);
    await fake.stop();
    await assert.rejects(first.end);
    fake.end(one, 137, true);
    await fake.start();
    fake.run(one, 20);
    fake.end(one, 9);
    fake.run(one, 30);
    const second = await follow(t, source, first.cursors.at(-1));
    await eventually("the third life", () => lastOf(second, one.id)?.mainPid === 30);
    assert.deepEqual(exitsOf(second).map(ending), ["null of 10, oom null", "9 of null, oom null"]);
  });
});

describe("ends that a daemon half forgot", () => {
  test("an end of which the daemon has only that of the life before", async (t) => {
    const fake = await engine(t);
    const one = fake.create(1);
    fake.run(one, 10);
    const source = sourceOf(fake);
    const first = await follow(t, source);
    await fake.stop();
    await assert.rejects(first.end);
    fake.end(one, 137, true);
    one.finishedAt = (one.startedAt ?? 0) - 5_000_000;
    await fake.start();
    const second = await follow(t, source, first.cursors.at(-1));
    assert.deepEqual(exitsOf(second).map(ending), ["null of 10, oom null"]);
    const at = exitsOf(second)[0]?.at.wallMicroseconds ?? 0;
    assert.ok(at >= (one.startedAt ?? 0));
  });

  test("another process of ours goes on from the cursor", async (t) => {
    const fake = await engine(t);
    const [before, meanwhile] = [fake.create(1), fake.create(2)];
    fake.run(before, 10);
    fake.run(meanwhile, 20);
    fake.end(before, 0);
    const first = await follow(t, sourceOf(fake));
    await first.stop();
    fake.end(meanwhile, 137, true);
    const second = await follow(t, sourceOf(fake), first.cursors.at(-1));
    await sleep(20);
    assert.deepEqual(exitsOf(second).map(ending), ["137 of null, oom false"]);
  });
});

describe("a hostile daemon", () => {
  test("text that is no event, or none that could be", async (t) => {
    const fake = await engine(t);
    const running = await follow(t, sourceOf(fake));
    for (const line of HOSTILE) fake.say(line);
    const one = fake.create(1, `"\n\u0000${"x".repeat(5000)}`);
    await eventually("the container after it", () => lastOf(running, one.id) !== undefined);
    assert.equal(lastOf(running, one.id)?.name?.length, 512);
    assert.equal(running.runtime.filter(({ kind }) => kind !== "list").length, 1);
  });

  test("a line of more than a mebibyte is left out and counted", async (t) => {
    const fake = await engine(t);
    const running = await follow(t, sourceOf(fake));
    fake.say(`{"Type":"${"x".repeat(3 << 20)}"}`);
    const one = fake.create(1);
    await eventually("the container after it", () => lastOf(running, one.id) !== undefined);
    assert.deepEqual(
      running.losses.map(({ count }) => count),
      [1],
    );
  });

  test("a label called exitCode forges nothing", async (t) => {
    const fake = await engine(t);
    const running = await follow(t, sourceOf(fake));
    const one = fake.create(1, "one", { exitCode: "3", "io.kubernetes.pod.name": "p" });
    fake.run(one, 11);
    fake.end(one, 137);
    await eventually("its end", () => exitsOf(running).length > 0);
    const two = fake.create(2, "two", { exitCode: "3" });
    fake.run(two, 22);
    fake.end(two, 137);
    fake.remove(two);
    await eventually("the other's end", () => exitsOf(running).length > 1);
    const codes = exitsOf(running).map(({ exitCode }) => exitCode);
    assert.equal(codes[0], 137);
    assert.ok(codes[1] === null || codes[1] === 137, "never the label");
    assert.equal(lastOf(running, one.id)?.pod?.name, "p");
  });

  test("containers beyond the bound are left out and counted", async (t) => {
    const fake = await engine(t);
    for (let number = 0; number < 10_007; number++) fake.create(number);
    const running = await follow(t, sourceOf(fake));
    assert.deepEqual(
      running.losses.map(({ count }) => count),
      [7],
    );
    assert.equal(fake.inspected, 0, "those without a process need no inspect");
  });

  test("an inspect that never comes does not hold the others", async (t) => {
    const fake = await engine(t);
    const [stuck, fine] = [fake.create(1), fake.create(2)];
    const running = await follow(t, sourceOf(fake));
    fake.intercept = async (path, response) => {
      if (!path.includes(stuck.id)) return false;
      await once(response, "close");
      return true;
    };
    fake.run(stuck, 11);
    fake.run(fine, 22);
    await eventually("the other one", () => lastOf(running, fine.id)?.mainPid === 22);
    const stopping = performance.now();
    await running.stop();
    assert.ok(performance.now() - stopping < 1000);
  });
});

const HOSTILE = [
  "",
  "{",
  "null",
  "[]",
  '"die"',
  "[".repeat(10_000),
  '{"Type":"container"}',
  '{"Type":"container","Action":"die","Actor":null}',
  '{"Type":"container","Action":"__proto__","Actor":{"ID":"x","Attributes":[]}}',
  `{"Type":"container","Action":"die","Actor":{"ID":"${"g".repeat(64)}"},"timeNano":1}`,
  `{"Type":"container","Action":"die","Actor":{"ID":"${"a".repeat(64)}"},"timeNano":-1}`,
  `{"Type":"container","Action":"die","Actor":{"ID":"${"a".repeat(64)}"},"timeNano":1e400}`,
  `{"Type":"network","Action":"die","Actor":{"ID":"${"a".repeat(64)}"},"timeNano":1}`,
];

function lastOf(running: RunningSource, id: string): ContainerFacts | undefined {
  return running.runtime
    .flatMap((told) => (told.kind === "container" ? [told.container] : []))
    .findLast((container) => container.id === id);
}

function exitsOf(running: RunningSource, id?: string): ExitObservation[] {
  return running.runtime.flatMap((told) =>
    told.kind === "exit" && (id === undefined || told.containerId === id) ? [told] : [],
  );
}

function ending({ exitCode, mainPid, oomReported }: ExitObservation): string {
  return `${exitCode} of ${mainPid}, oom ${oomReported}`;
}
