import { setTimeout as sleep } from "node:timers/promises";
import type { LedgerRecord } from "../../../src/model/record.ts";
import { EventStream } from "../../e2e/support/event-stream.ts";
import type { RowContext } from "../context.ts";
import type { Row } from "../row.ts";

const CGROUPS = 10;
/** By then what no source placed has been given to the cgroups whose counters have it. */
const PLACED_MILLISECONDS = 6_000;

/** 3 kills in each of ten cgroups, `leave`, 27 more in each, a start: each cgroup has its 30 records. */
async function away(context: RowContext, how: "kill9" | "stop") {
  const agent = await context.agent();
  await agent.start();
  const cgroups = Array.from({ length: CGROUPS }, () => context.cgroup());
  const killEach = (kills: number) =>
    Promise.all(cgroups.map((cgroup) => context.kill({ kills }, cgroup)));
  await killEach(3);
  await sleep(1_000);
  await agent[how]();
  await killEach(27);
  context.faultEnded();
  await agent.start();
  await sleep(PLACED_MILLISECONDS);
  await agent.settle();
  const records = await context.records(agent);
  const wrong = cgroups.flatMap(({ path }) => {
    const count = records.filter(({ cgroup }) => cgroup.path === path).length;
    return count === 30 ? [] : [`${path} has ${count} records of 30`];
  });
  return context.outcome(agent, { complaints: wrong });
}

const AWAY_KILLED: Row = {
  name: "away-killed",
  fault: "kill -9, 270 kills in ten cgroups meanwhile, a start",
  run: (context) => away(context, "kill9"),
};

const AWAY_STOPPED: Row = {
  name: "away-stopped",
  fault: "SIGTERM, 270 kills in ten cgroups meanwhile, a start",
  run: (context) => away(context, "stop"),
};

const ENDED: Row = {
  name: "ended-in-storm",
  fault: "SIGTERM in a storm and a start 0.2 s later, 6 times",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    const stream = new EventStream(agent.url("/api/v1/events"));
    context.undo(() => stream.close());
    const cgroup = context.cgroup();
    const words: (number | null)[] = [];
    for (let round = 0; round < (context.whole ? 6 : 2); round++) {
      const storm = context.kill({ kills: 60 }, cgroup);
      await sleep(100 + 50 * round);
      await agent.stop();
      words.push(lastBalance(stream));
      await sleep(200);
      context.faultEnded();
      await agent.start();
      await storm;
    }
    const wrong = words.filter((word) => word !== 0).map((word) => `the last word was ${word}`);
    return context.outcome(agent, { complaints: wrong });
  },
};

/** What the last ledger line said; `null` when there was none. */
function lastBalance(stream: EventStream): LedgerRecord["unaccounted"] {
  const lines = stream.events.flatMap(({ record }) => (record.type === "ledger" ? [record] : []));
  return lines.at(-1)?.unaccounted ?? null;
}

export const rows: readonly Row[] = [AWAY_KILLED, AWAY_STOPPED, ENDED];
