import { spawn } from "node:child_process";
import { existsSync, rmdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { RowContext } from "../context.ts";
import type { Row } from "../row.ts";

function instanceOf({ name }: RowContext): string {
  return `/sys/kernel/tracing/instances/${name}`;
}

const REMOVED: Row = {
  name: "trace-removed",
  fault: "the trace instance is removed while the agent is away, with 20 kills meanwhile",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    await agent.kill9();
    const instance = instanceOf(context);
    for (let attempt = 0; attempt < 40 && existsSync(instance); attempt++) {
      try {
        rmdirSync(instance);
      } catch {
        await sleep(50);
      }
    }
    const stays = existsSync(instance) ? ["the instance could not be removed"] : [];
    await context.kill({ kills: 20 });
    context.faultEnded();
    await agent.start();
    return context.outcome(agent, { complaints: stays });
  },
};

const STOLEN: Row = {
  name: "trace-stolen",
  fault: "another program reads the agent's trace pipe in a storm",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    const pipe = `${instanceOf(context)}/trace_pipe`;
    const missing = existsSync(pipe) ? [] : [`there is no ${pipe}`];
    const thief = spawn("cat", [pipe], { stdio: "ignore" });
    context.undo(() => void thief.kill("SIGKILL"));
    await context.kill({ kills: 60 });
    thief.kill("SIGKILL");
    context.faultEnded();
    return context.outcome(agent, { complaints: missing });
  },
};

export const rows: readonly Row[] = [REMOVED, STOLEN];
