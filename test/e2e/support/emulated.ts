import { mkdirSync, writeFileSync } from "node:fs";
import type { TestAgent } from "./agent.ts";

/** V8's own checks, or a fault in its machine code: seen only on emulated processors, and nothing that our code could cause. */
export const EMULATOR_FAULT =
  /# Fatal error in|Check failed|ended \((SIG(SEGV|ILL|TRAP|BUS)|13[2359])\)/;
/** What a program in the guest ends with when another died as no program of ours can; its judge then tries a fresh guest. */
export const EXIT_EMULATOR_FAULT = 75;
export const ATTEMPTS = 3;

/** Leaves something for the judge. */
export function save(name: string, value: unknown): void {
  mkdirSync("/job/out", { recursive: true });
  writeFileSync(`/job/out/${name}.json`, JSON.stringify(value));
}

/** A line of progress on the guest's console. */
export function say(what: string): void {
  console.log(`${(performance.now() / 1000).toFixed(1)} s ${what}`);
}

/** Starts the agent, once more when Node itself dies on the way up. */
export async function startAgent(agent: TestAgent): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await agent.start();
      return;
    } catch (error) {
      if (attempt === ATTEMPTS || !EMULATOR_FAULT.test(String(error))) throw error;
      say(`node died: ${String(error).slice(0, 300)}`);
    }
  }
}

/** Runs the program of the guest; how it ends tells the judge whether a fresh guest is worth a try. */
export async function runMain(main: () => Promise<void>): Promise<never> {
  try {
    await main();
  } catch (error) {
    console.error(error);
    process.exit(EMULATOR_FAULT.test(String(error)) ? EXIT_EMULATOR_FAULT : 1);
  }
  process.exit(0);
}
