import { spawn } from "node:child_process";
import { programPath } from "../../../lab/cgroups.ts";
import { flood, setPrintkDevkmsg } from "../../../lab/lab.ts";
import { HOSTILE_NAMES } from "../../../lab/names.ts";
import type { Row } from "../row.ts";

const FORGED: Row = {
  name: "forged-kills",
  fault: "what a kernel would say of kills, written to /dev/kmsg by a program",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    const forging = flood({ lines: 300, linesPerSecond: 300, forge: true });
    await context.kill({ kills: 20 });
    await forging;
    context.faultEnded();
    return context.outcome(agent);
  },
};

const OVERRUN: Row = {
  name: "log-overrun",
  fault: "the log is overrun by a flood in the middle of two storms",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    const before = setPrintkDevkmsg("on");
    context.undo(() => void setPrintkDevkmsg(before));
    const flooding = spawn(programPath("flood"), ["--lines", "2000000"], { stdio: "ignore" });
    context.undo(() => void flooding.kill("SIGKILL"));
    await Promise.all([context.kill({ kills: 100 }), context.kill({ kills: 100 })]);
    flooding.kill("SIGKILL");
    context.faultEnded();
    const outcome = await context.outcome(agent);
    const log = (await agent.sources()).find(({ source }) => source === "kernel-log");
    const complaints =
      (log?.lost ?? 0) > 0 ? [] : ["the log was not overrun, or no loss was counted"];
    return { ...outcome, complaints: [...outcome.complaints, ...complaints] };
  },
};

const NAMES: Row = {
  name: "hostile-names",
  fault: `${HOSTILE_NAMES.length} process names that try to break a reader`,
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    for (const { name } of HOSTILE_NAMES) await context.kill({ kills: 2, comm: name });
    return context.outcome(agent);
  },
};

export const rows: readonly Row[] = [FORGED, OVERRUN, NAMES];
