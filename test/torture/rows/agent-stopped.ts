import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "../row.ts";

/** A machine that has no time for the agent looks like this to it. */
function stopped(seconds: number): Row {
  return {
    name: `stopped-${seconds}s`,
    fault: `a fresh agent is stopped (SIGSTOP) for ${seconds} s, with 20 kills meanwhile`,
    run: async (context) => {
      const agent = await context.agent();
      await agent.start();
      process.kill(agent.pid, "SIGSTOP");
      const continued = sleep(seconds * 1000);
      await context.kill({ kills: 20 });
      await continued;
      context.faultEnded();
      process.kill(agent.pid, "SIGCONT");
      return context.outcome(agent);
    },
  };
}

export const rows: readonly Row[] = [1, 2, 4, 6].map(stopped);
