import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { KillRecord, SourceRecord } from "../../src/model/record.ts";
import { ENGINE_HOSTILITIES } from "../hostile-engine.ts";
import { HostileServer, HTTP2_HOSTILITIES } from "../hostile-http2.ts";
import { type LyingDaemon, startLyingDaemon } from "../lying-daemon.ts";
import { V1Cgroup, whyNoV1Kills } from "../v1-cgroups.ts";
import { TestAgent } from "./support/agent.ts";

const OOMWITNESS = resolve(import.meta.dirname, "../../bin/oomwitness");

const MEMORY = "/sys/fs/cgroup/memory";
const INSTANCE = `OOMWITNESS_TRACE_INSTANCE=oomwitness-test-${process.pid}`;

/** An agent that is given this socket as the one of a runtime, once it is ready. */
async function agentAt(runtime: string, socket: string): Promise<TestAgent> {
  const given = `OOMWITNESS_${runtime.toUpperCase()}_SOCKET=${socket}`;
  const agent = await TestAgent.create(["env", given, INSTANCE, OOMWITNESS]);
  await agent.start();
  return agent;
}

async function sourceOf(agent: TestAgent, name: string): Promise<SourceRecord | undefined> {
  const sources = await agent.sources().catch(() => []);
  return sources.find(({ source }) => source === name);
}

describe("a runtime's socket that answers with whatever it wants ends its source, not the agent", () => {
  for (const name of ["an answer of HTTP/1.1", "a flood of PING", "a flood of WINDOW_UPDATE"]) {
    for (const runtime of ["containerd", "cri"]) {
      test(`${runtime}: ${name}`, async () => {
        const hostility = HTTP2_HOSTILITIES[name] ?? assert.fail();
        const server = await HostileServer.start(hostility);
        const agent = await agentAt(runtime, server.socket);
        try {
          await sleep(1_500);
          assert.equal(agent.end, null, "the agent lives");
          const source = await sourceOf(agent, runtime);
          assert.equal(source?.state, "down");
          assert.match(source?.reason ?? "", /EPROTO|ECONNRESET/);
          assert.ok(server.connections > 1, "it is tried again");
        } finally {
          await agent.dispose();
          await server.stop();
        }
      });
    }
  }
});

describe("a runtime that wants all memory and time gets neither", () => {
  const names = ["a list of 100 MB", "a list of 10,000,000 empty elements", "one id 30,000 times"];
  for (const name of [...names, "a flood of lines that are no events"]) {
    test(`docker: ${name}`, async (t) => {
      const server = await HostileServer.start(ENGINE_HOSTILITIES[name] ?? assert.fail());
      const quiet = await agentAt("docker", "/nowhere");
      const agent = await agentAt("docker", server.socket);
      try {
        let growth = 0;
        for (let times = 0; times < 60; times++) {
          await sleep(50);
          growth = Math.max(growth, anonymousMebibytes(agent) - anonymousMebibytes(quiet));
        }
        const source = await sourceOf(agent, "docker");
        t.diagnostic(`+${growth.toFixed(0)} MiB, ${source?.state}, lost ${source?.lost}`);
        assert.equal(agent.end, null);
        assert.ok(source?.state === "down" || (source?.lost ?? 0) > 0, "it is said");
        assert.ok(growth <= 32, `${growth} MiB more than a quiet agent`);
      } finally {
        await agent.dispose();
        await quiet.dispose();
        await server.stop();
      }
    });
  }
});

/** RssAnon of the agent. */
function anonymousMebibytes({ pid }: TestAgent): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}

describe("an ordinary user says whose a kill was", { skip: whyNoV1Kills() ?? false }, () => {
  const USER = 61_234;

  const SLICE = `/user.slice/user-${USER}.slice`;
  const id = randomBytes(32).toString("hex");
  const paths = [
    "/user.slice",
    SLICE,
    `${SLICE}/user@${USER}.service`,
    `${SLICE}/user@${USER}.service/docker`,
    `${SLICE}/user@${USER}.service/docker/${id}`,
  ];
  let world: V1Cgroup;
  let agent: TestAgent;
  let liar: LyingDaemon;
  const own = paths.at(-1) ?? "";

  before(async () => {
    world = new V1Cgroup(undefined, null).child("docker");
    mkdirSync(MEMORY + own, { recursive: true });
    liar = await startLyingDaemon(USER, id);
    agent = await TestAgent.create(["env", INSTANCE, OOMWITNESS]);
    await agent.start();
  });
  after(async () => {
    await agent?.dispose();
    await liar?.stop();
    for (const path of paths.toReversed()) removeIfEmpty(path);
    rmdirSync(world.directory);
    rmdirSync(resolve(world.directory, ".."));
  });

  async function killIn(cgroup: V1Cgroup): Promise<KillRecord> {
    const pid = cgroup.kill();
    await agent.settle(2_500);
    const kills = await agent.kills();
    return kills.find(({ victim }) => victim.pid === pid) ?? assert.fail("the kill is recorded");
  }

  test("of a container that runs elsewhere: the word is not taken, and counted", async () => {
    const foreign = world.child(id, 10);
    try {
      const { container, pod, witnesses } = await killIn(foreign);
      assert.deepEqual([container?.id, container?.name, pod], [id, null, null]);
      assert.ok(!witnesses.includes("docker"));
      assert.equal((await sourceOf(agent, "docker"))?.lost, 1);
    } finally {
      foreign.remove();
    }
  });

  test("of a container below that user's slice: it is told, with no pod, and of no other place", async () => {
    // The daemon's process is the container's main process now; a list every five minutes would show it.
    writeFileSync(`${MEMORY}${own}/cgroup.procs`, String(liar.pid));
    await agent.stop();
    await agent.start();
    await sleep(1_000);
    const inner = new V1Cgroup(`${own}/inner`, 10);
    try {
      const { container, pod, witnesses } = await killIn(inner);
      assert.deepEqual([container?.id, container?.name, pod], [id, "ledger", null]);
      assert.ok(witnesses.includes("docker"));
    } finally {
      inner.remove();
    }
    const foreign = world.child(id, 10);
    try {
      const elsewhere = await killIn(foreign);
      assert.equal(elsewhere.container?.name, null, "the same id in another place");
    } finally {
      foreign.remove();
    }
  });
});

/** Others may use it. */
function removeIfEmpty(path: string): void {
  try {
    rmdirSync(MEMORY + path);
  } catch {
    // It was there before, or something runs in it.
  }
}
