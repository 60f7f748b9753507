import { availableParallelism } from "node:os";
import path from "node:path";
import { run } from "./command.ts";
import type { ReportLine } from "./reporter.ts";
import { EMPTY, type Failure, type Skip, type Tally } from "./tally.ts";

export interface TestRun {
  readonly files: readonly string[];
  /** One file after another: for tests that need the machine for themselves. */
  readonly sequential: boolean;
  /** A test that takes longer has failed. The whole run has 2 s more: a file that leaves something open never ends. */
  readonly limitSeconds: number;
  /** Shows what each test prints and each result as it comes. */
  readonly live: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Runs test files with the Node that runs this program, and counts. Never throws. */
export async function runTests(tests: TestRun): Promise<Tally> {
  if (tests.files.length === 0) return EMPTY;
  const collector = new Collector(tests.live);
  const result = await run([...runnerWords(tests), ...tests.files], {
    line: (line) => collector.add(line),
    limitSeconds: tests.limitSeconds + 2,
    // Set within a test run; a run inside a run is silently no run.
    environment: { ...tests.environment, NODE_TEST_CONTEXT: undefined },
  });
  return collector.finish(result.code, result.output);
}

function runnerWords(tests: TestRun): string[] {
  return [
    process.execPath,
    "--test",
    `--test-concurrency=${tests.sequential ? 1 : availableParallelism()}`,
    `--test-timeout=${tests.limitSeconds * 1000}`,
    `--test-reporter=${path.join(import.meta.dirname, "reporter.ts")}`,
  ];
}

class Collector {
  readonly #live: boolean;
  readonly #failures: Failure[] = [];
  readonly #skips: Skip[] = [];
  /** What tests printed since the last result: shown with a failure. */
  #said = "";
  #passed = 0;

  constructor(live: boolean) {
    this.#live = live;
  }

  add(text: string): void {
    const line = parse(text);
    if (line === null) return;
    switch (line.kind) {
      case "say":
        this.#say(line.text);
        break;
      case "pass":
        this.#passed += 1;
        this.#show(`  ok    ${line.name}`);
        break;
      case "skip":
        this.#skips.push({ name: line.name, file: relative(line.file), reason: line.reason });
        this.#show(`  skip  ${line.name}: ${line.reason}`);
        break;
      case "fail":
        this.#fail(line.name, line.file, line.detail);
        this.#show(`  FAIL  ${line.name}`);
        break;
    }
  }

  /** What the runner itself says, or an exit code that does not agree with what it told, is a failure too. */
  finish(code: number | null, output: string): Tally {
    if (code === null || (code !== 0 && this.#failures.length === 0)) {
      this.#fail("the test runner", "", `ended with code ${code}\n${output}`);
    }
    return { passed: this.#passed, failures: this.#failures, skips: this.#skips };
  }

  #say(text: string): void {
    if (this.#live) process.stdout.write(text);
    else this.#said = (this.#said + text).slice(-4000);
  }

  #fail(name: string, file: string, detail: string): void {
    const said = this.#said === "" ? "" : `\nprinted by then:\n${this.#said}`;
    this.#said = "";
    this.#failures.push({ name, file: relative(file), detail: detail + said });
  }

  #show(line: string): void {
    if (this.#live) process.stdout.write(`${line}\n`);
  }
}

/** The lines are our own reporter's; anything else on the runner's output is not for us. */
function parse(text: string): ReportLine | null {
  try {
    const line: ReportLine = JSON.parse(text);
    return line;
  } catch {
    return null;
  }
}

function relative(file: string): string {
  return path.isAbsolute(file) ? path.relative(process.cwd(), file) : file;
}
