import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestAgent } from "../../e2e/support/agent.ts";
import type { RowContext } from "../context.ts";
import type { Row } from "../row.ts";

const CROWD = resolve(import.meta.dirname, "../../../bench/support/http-crowd.ts");

/** Clients of the API that come while kills happen, and scrapes in the middle of them. */
async function amongClients(
  context: RowContext,
  [pagers, idle, tricklers]: readonly [pagers: number, idle: number, tricklers: number],
) {
  const agent = await context.agent();
  await agent.start();
  await context.kill({ kills: 100 });
  const words = [CROWD, agent.port, pagers, idle, tricklers].map(String);
  const crowd = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] });
  context.undo(() => void crowd.kill("SIGKILL"));
  await once(crowd.stdout, "data");
  const rounds = context.whole ? 20 : 4;
  let answered = 0;
  for (let round = 0; round < rounds; round += 1) {
    await context.kill({ kills: 5 });
    if (await isAnswered(agent, "/metrics")) answered += 1;
  }
  crowd.stdin.end();
  await once(crowd, "close");
  context.faultEnded();
  const complaints = answered === rounds ? [] : [`${answered} of ${rounds} scrapes were answered`];
  const told = `${answered} of ${rounds} scrapes answered; closed for room: ${await closed(agent)}`;
  return context.outcome(agent, { told, complaints });
}

async function isAnswered(agent: TestAgent, path: string): Promise<boolean> {
  const signal = AbortSignal.timeout(5_000);
  const response = await fetch(agent.url(path), { signal, headers: { connection: "close" } }).catch(
    () => null,
  );
  return response?.ok === true && (await response.text()) !== "";
}

async function closed(agent: TestAgent): Promise<string> {
  const page = await (await fetch(agent.url("/metrics"))).text();
  return /queue="http-connections"\} (\d+)/.exec(page)?.[1] ?? "?";
}

const PAGING: Row = {
  name: "clients-paging",
  fault: "100 clients page through all kills without a pause, 900 hold connections and say nothing",
  run: (context) => amongClients(context, [100, 900, 0]),
};

const SLOW: Row = {
  name: "clients-slow",
  fault: "900 clients send a byte of a request each second",
  run: (context) => amongClients(context, [0, 0, 900]),
};

/** Connections with a request for everything from the beginning, whose clients never read. */
const DEAF: Row = {
  name: "clients-deaf",
  fault: "60 readers of the stream and 300 of lists that never read",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    await context.kill({ kills: 100 });
    const sockets: Socket[] = [];
    context.undo(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (let index = 0; index < 360; index += 1) {
      const path = index < 60 ? "/api/v1/events?after=0" : "/api/v1/kills?limit=1000";
      const socket = connect(agent.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      sockets.push(socket);
    }
    for (let round = 0; round < (context.whole ? 20 : 4); round += 1) {
      await context.kill({ kills: 5 });
      await sleep(200);
    }
    context.faultEnded();
    const answered = await isAnswered(agent, "/metrics");
    return context.outcome(agent, {
      told: `a scrape was answered: ${answered}`,
      complaints: answered ? [] : ["a scrape was not answered"],
    });
  },
};

export const rows: readonly Row[] = [PAGING, SLOW, DEAF];
