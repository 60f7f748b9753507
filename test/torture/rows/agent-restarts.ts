import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "../row.ts";

const KILLED: Row = {
  name: "killed-in-storm",
  fault: "kill -9 in a storm and a start 0.2 s later, 20 times",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    const cgroup = context.cgroup();
    for (let round = 0; round < (context.whole ? 20 : 4); round++) {
      const storm = context.kill({ kills: 60 }, cgroup);
      await sleep(100 + 25 * round);
      await agent.kill9();
      await sleep(200);
      context.faultEnded();
      await agent.start();
      await storm;
    }
    return context.outcome(agent);
  },
};

const STARTED: Row = {
  name: "started-in-storm",
  fault: "the first start in the middle of two storms",
  run: async (context) => {
    const storms = [context.kill({ kills: 150 }), context.kill({ kills: 150, parallel: 2 })];
    await sleep(300);
    const agent = await context.agent();
    context.faultEnded();
    await agent.start();
    await Promise.all(storms);
    return context.outcome(agent);
  },
};

export const rows: readonly Row[] = [KILLED, STARTED];
