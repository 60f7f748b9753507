import packageFile from "../../package.json" with { type: "json" };
import { createHost } from "../host/real.ts";
import { stayAlive } from "../host/stay-alive.ts";
import { createTexts } from "../host/texts.ts";
import { createConsole } from "./console.ts";
import { afterSeconds } from "./ending.ts";
import { describeError, type ExitStatus } from "./errors.ts";
import { runProgram } from "./program.ts";

/** A flag without a value is switched off by these; commander itself would take any value for "on". */
const OFF = new Set(["", "0", "false", "no", "off"]);
for (const name of Object.keys(process.env)) {
  if (name.startsWith("OOMWITNESS_") && OFF.has(process.env[name] ?? "")) delete process.env[name];
}

/** A reader that takes nothing holds a program that was told to end no longer than this. */
const LAST_OUTPUT_SECONDS = 0.1;

const console = createConsole();
const host = createHost();
stayAlive();
const status = await runMain();
await Promise.race([console.emptied(), console.interrupted.then(lastOutput)]);
// Children that cannot die (state D) must not hold us.
process.exit(status);

function lastOutput(): Promise<void> {
  return afterSeconds(host.clock, LAST_OUTPUT_SECONDS);
}

async function runMain(): Promise<ExitStatus> {
  try {
    return await runProgram(process.argv.slice(2), {
      console,
      host,
      texts: createTexts(),
      version: packageFile.version,
      pid: process.pid,
      env: process.env,
    });
  } catch (error) {
    const { line, status } = describeError(error);
    console.error(line);
    if (process.env["OOMWITNESS_DEBUG"] && error instanceof Error)
      console.error(String(error.stack));
    return status;
  }
}
