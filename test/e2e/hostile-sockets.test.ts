import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { SourceRecord } from "../../src/model/record.ts";
import { HostileServer, HTTP2_HOSTILITIES } from "../hostile-http2.ts";
import { TestAgent } from "./support/agent.ts";

const OOMWITNESS = resolve(import.meta.dirname, "../../bin/oomwitness");

/** An agent that is given this socket as the one of a runtime, once it is ready. */
async function agentAt(runtime: string, socket: string): Promise<TestAgent> {
  const given = `OOMWITNESS_${runtime.toUpperCase()}_SOCKET=${socket}`;
  const instance = `OOMWITNESS_TRACE_INSTANCE=oomwitness-test-${process.pid}`;
  const agent = await TestAgent.create(["env", given, instance, OOMWITNESS]);
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
