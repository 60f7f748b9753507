import packageFile from "../../package.json" with { type: "json" };
import { createHost } from "../host/real.ts";
import { stayAlive } from "../host/stay-alive.ts";
import { createConsole } from "./console.ts";
import { describeError, type ExitStatus } from "./errors.ts";
import { runProgram } from "./program.ts";

/** A flag without a value is switched off by these; commander itself would take any value for "on". */
const OFF = new Set(["", "0", "false", "no", "off"]);
for (const name of Object.keys(process.env)) {
  if (name.startsWith("OOMWITNESS_") && OFF.has(process.env[name] ?? "")) delete process.env[name];
}

const console = createConsole();
stayAlive();
const status = await runMain();
// Children that cannot die (state D) must not hold us; output to files, pipes and terminals is written by now.
process.exit(status);

async function runMain(): Promise<ExitStatus> {
  try {
    return await runProgram(process.argv.slice(2), {
      console,
      host: createHost(),
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
