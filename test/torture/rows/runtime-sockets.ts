import assert from "node:assert/strict";
import { ENGINE_HOSTILITIES } from "../../hostile-engine.ts";
import { HostileServer, type Hostility, HTTP2_HOSTILITIES } from "../../hostile-http2.ts";
import type { Row } from "../row.ts";

/** Somebody's program answers where a runtime should, and kills go on. */
function answered(name: string, runtime: string, what: string, hostility?: Hostility): Row {
  return {
    name,
    fault: `the socket of ${runtime} gives ${what}, with 20 kills meanwhile`,
    run: async (context) => {
      const server = await HostileServer.start(hostility ?? assert.fail());
      context.undo(() => server.stop());
      const socket = `OOMWITNESS_${runtime.toUpperCase()}_SOCKET`;
      const agent = await context.agent({ environment: { [socket]: server.socket } });
      await agent.start();
      await context.kill({ kills: 20 });
      context.faultEnded();
      const complaints = agent.end === null ? [] : [`the agent ${agent.end}`];
      return context.outcome(agent, { complaints });
    },
  };
}

function http2(name: string, runtime: string, what: string): Row {
  return answered(name, runtime, what, HTTP2_HOSTILITIES[what]);
}

function engine(name: string, what: string): Row {
  return answered(name, "docker", what, ENGINE_HOSTILITIES[what]);
}

export const rows: readonly Row[] = [
  http2("containerd-http1", "containerd", "an answer of HTTP/1.1"),
  http2("cri-ping-flood", "cri", "a flood of PING"),
  engine("docker-list-100mb", "a list of 100 MB"),
  engine("docker-event-flood", "a flood of lines that are no events"),
];
