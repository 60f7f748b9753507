import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestAgent } from "../../e2e/support/agent.ts";
import type { RowContext } from "../context.ts";
import type { Row } from "../row.ts";

const FULL: Row = {
  name: "disk-full",
  fault: "the disk is full during a storm, and has room again before a kill -9",
  run: async (context) => {
    const agent = await context.agent();
    const { stateDirectory } = agent;
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=48m", "none", stateDirectory]);
    context.undo(() => void execFileSync("umount", [stateDirectory]));
    await agent.start();
    await context.kill({ kills: 20 });
    const filler = path.join(stateDirectory, "filler");
    fillDisk(filler);
    await context.kill({ kills: 60 });
    fs.rmSync(filler);
    context.faultEnded();
    await until(() => !isFailing(agent));
    await agent.kill9();
    const told = words(agent);
    await agent.start();
    return context.outcome(agent, { told });
  },
};

const REMOVED: Row = {
  name: "state-removed",
  fault: "rm -rf of the state directory of a running agent, and a kill -9 later",
  run: async (context) => {
    const agent = await context.agent();
    await agent.start();
    await context.kill({ kills: 20 });
    await agent.settle();
    fs.rmSync(agent.stateDirectory, { recursive: true });
    context.faultEnded();
    await context.kill({ kills: 20 });
    await agent.settle();
    await agent.kill9();
    const told = words(agent);
    await agent.start();
    return context.outcome(agent, { told });
  },
};

function damaged(file: string): Row {
  return {
    name: `damaged-${file.split(".")[0]}`,
    fault: `kill -9 in a storm, and one byte in the middle of ${file} is another`,
    run: (context) => damage(context, file),
  };
}

async function damage(context: RowContext, file: string) {
  const agent = await context.agent();
  await agent.start();
  await context.kill({ kills: 30 });
  await agent.settle();
  // A clean end brings everything into the file; then some more are told.
  await agent.stop();
  await agent.start();
  await context.kill({ kills: 30 });
  await agent.kill9();
  const target = path.join(agent.stateDirectory, file);
  const bytes = fs.readFileSync(target);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 0x10;
  fs.writeFileSync(target, bytes);
  context.faultEnded();
  await agent.start();
  // The storm that is told again may have pushed the sentence out of what a test agent remembers.
  const aside = fs.readdirSync(agent.stateDirectory).filter((name) => /damaged|corrupt/.test(name));
  const unseen = file !== "oomwitness.db" && aside.length === 0;
  return context.outcome(agent, {
    told: aside.length === 0 ? "nothing: that byte was not in use" : `kept as ${aside.join(", ")}`,
    complaints: unseen ? ["the damage was not noticed"] : [],
  });
}

function fillDisk(filler: string): void {
  try {
    fs.writeFileSync(filler, Buffer.alloc(60_000_000));
  } catch {}
}

const isFailing = (agent: TestAgent): boolean =>
  /cannot be kept on disk|not being stored/.test(agent.output) &&
  !/kept on disk again|works again/.test(agent.output);

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300 && !condition(); tries += 1) await sleep(100);
  // The checkpoint after it holds what the journal could not take.
  await sleep(6_000);
}

/** What the agent said about its files. */
function words({ output }: TestAgent): string {
  const lines = output
    .split("\n")
    .filter((line) => /damaged|disk|removed|stor(ed|e works)/.test(line));
  return lines.map((line) => line.trim().slice(0, 200)).join("; ");
}

export const rows: readonly Row[] = [
  FULL,
  REMOVED,
  damaged("journal.jsonl"),
  damaged("checkpoint.json"),
  damaged("oomwitness.db"),
];
