import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestAgent } from "../../e2e/support/agent.ts";
import type { RowContext } from "../context.ts";
import type { Row } from "../row.ts";

const FORGED_PID = 4_000_001;

function write(context: RowContext, file: string, text: string): void {
  writeFileSync(`/sys/kernel/tracing/instances/${context.name}/${file}`, text);
}

/** The events of a kill as the ring prints them, now, of a process that nobody killed. */
function forgedKill(): string {
  const seconds = (Number(process.hrtime.bigint() / 1000n) / 1e6).toFixed(6);
  const head = (name: string) => `            hog-${FORGED_PID} [000] d..2. ${seconds}: ${name}: `;
  const sizes = "total-vm=17896kB anon-rss=15232kB file-rss:968kB shmem-rss:0kB";
  return [
    "x",
    `${head("signal_generate")}sig=9 errno=0 code=128 comm=hog pid=${FORGED_PID} grp=1 res=0`,
    `${head("mark_victim")}pid=${FORGED_PID} comm=hog ${sizes} uid=0 pgtables=68kB oom_score_adj=0`,
    "",
  ].join("\n");
}

const FORGED: Row = {
  name: "forged-trace-events",
  fault:
    "events of kills are written into trace_marker, which somebody switches on again and again",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    for (let round = 0; round < (context.whole ? 20 : 4); round++) {
      write(context, "options/markers", "1");
      write(context, "trace_marker", forgedKill());
      await sleep(300);
      await context.kill({ kills: 1 });
    }
    context.faultEnded();
    const forged = (await agent.kills()).filter(({ victim }) => victim.tid === FORGED_PID);
    const complaints = forged.map(({ outcome }) => `a forged kill was recorded as ${outcome}`);
    return context.outcome(agent, { complaints });
  },
};

const CHANGES: readonly (readonly [file: string, text: string])[] = [
  ["events/oom/mark_victim/filter", "pid==1"],
  ["events/signal/signal_generate/filter", "sig==11"],
  ["set_event_pid", "1"],
  ["tracing_cpumask", "2"],
  ["trace_clock", "global"],
  ["options/raw", "1"],
  ["events/enable", "0"],
  ["tracing_on", "0"],
];

const CHANGED: Row = {
  name: "trace-settings",
  fault:
    "filters, pids, processors, clock and form of the trace are changed, with a kill each time",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    for (const [file, text] of CHANGES) {
      write(context, file, text);
      await context.kill({ kills: 1 });
      await sleep(2_500);
    }
    context.faultEnded();
    return context.outcome(agent);
  },
};

const TWO: Row = {
  name: "two-agents",
  fault: "a second agent is started on the trace instance of the first, in a storm",
  run: async (context) => {
    const [first, second] = [await context.agent(), await context.agent()];
    await first.start();
    const storm = context.kill({ kills: 100 });
    await second.start();
    await storm;
    context.faultEnded();
    const told = await stateOfTracefs(second);
    const names = told.includes("is read by pid");
    const complaints = names ? [] : [`the second agent said of tracefs: ${told}`];
    return context.outcome(first, { told: `second agent: tracefs ${told}`, complaints });
  },
};

async function stateOfTracefs(agent: TestAgent): Promise<string> {
  const record = (await agent.sources()).find(({ source }) => source === "tracefs");
  return `${record?.state}: ${record?.reason}`;
}

export const rows: readonly Row[] = [FORGED, CHANGED, TWO];
