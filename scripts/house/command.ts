import { type ChildProcess, spawn } from "node:child_process";

export interface CommandResult {
  /** `null` when a signal ended it or it could not be started. */
  readonly code: number | null;
  /** Standard output and standard error, as they came, cut to the last million characters. */
  readonly output: string;
  readonly seconds: number;
}

export interface CommandOptions {
  /** Added to our own; `undefined` takes a variable away. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Called with each line of standard output; such lines are not kept in `output`. */
  readonly line?: (line: string) => void;
  /** A program that takes longer is asked to end (SIGTERM), and made to end (SIGKILL) 5 s later. */
  readonly limitSeconds?: number;
  /** The program writes straight to our terminal; `output` stays empty. */
  readonly show?: boolean;
}

const LARGEST_OUTPUT_CHARACTERS = 1_000_000;

/** Runs a program to its end without a shell and without standard input. Never throws. */
export function run(
  words: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const started = performance.now();
  const [program = "", ...args] = words;
  const child = spawn(program, args, {
    stdio: ["ignore", options.show ? "inherit" : "pipe", options.show ? "inherit" : "pipe"],
    env: { ...process.env, ...options.environment },
  });
  let output = "";
  const keep = (text: string) => {
    output = (output + text).slice(-LARGEST_OUTPUT_CHARACTERS);
  };
  child.stdout?.setEncoding("utf8").on("data", options.line ? lines(options.line) : keep);
  child.stderr?.setEncoding("utf8").on("data", keep);
  const stopWatching = endAfter(child, options.limitSeconds, keep);
  return new Promise((resolve) => {
    const finish = (code: number | null) => {
      stopWatching();
      resolve({ code, output, seconds: (performance.now() - started) / 1000 });
    };
    child.on("error", (error) => {
      keep(`${error.message}\n`);
      finish(null);
    });
    child.on("close", finish);
  });
}

function endAfter(
  child: ChildProcess,
  limitSeconds: number | undefined,
  tell: (text: string) => void,
): () => void {
  if (limitSeconds === undefined) return () => {};
  const ask = setTimeout(() => {
    tell(`took longer than ${limitSeconds} s and was ended\n`);
    child.kill("SIGTERM");
  }, limitSeconds * 1000);
  const force = setTimeout(() => child.kill("SIGKILL"), (limitSeconds + 5) * 1000);
  return () => {
    clearTimeout(ask);
    clearTimeout(force);
  };
}

/** Cuts a stream of texts into lines. */
function lines(call: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) call(part);
  };
}
