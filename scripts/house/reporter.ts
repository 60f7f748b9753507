import { inspect } from "node:util";

/** One line of what a test run tells: JSON on the runner's standard output (see run-tests.ts). */
export type ReportLine =
  | { readonly kind: "pass"; readonly name: string; readonly file: string }
  | { readonly kind: "skip"; readonly name: string; readonly file: string; readonly reason: string }
  | { readonly kind: "fail"; readonly name: string; readonly file: string; readonly detail: string }
  | { readonly kind: "say"; readonly text: string };

interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly file?: string;
    readonly message?: string;
    readonly nesting?: number;
    readonly skip?: string | boolean;
    readonly todo?: string | boolean;
    readonly details?: { readonly type?: string; readonly error?: unknown };
  };
}

/** A reporter for `node --test`, which asks for a default export. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    const line = toLine(event);
    if (line !== null) yield `${JSON.stringify(line)}\n`;
  }
}

function toLine(event: TestEvent): ReportLine | null {
  switch (event.type) {
    case "test:pass":
    case "test:fail":
      return event.data.details?.type === "suite" ? toSuiteResult(event) : toResult(event);
    case "test:stdout":
    case "test:stderr":
      return { kind: "say", text: event.data.message ?? "" };
    case "test:diagnostic":
      return toDiagnostic(event);
    default:
      return null;
  }
}

/** A suite counts only when it says more than its tests: none of them ran, or what they stand on failed. */
function toSuiteResult(event: TestEvent): ReportLine | null {
  const result = toResult(event);
  return result?.kind === "pass" ? null : result;
}

function toResult({ type, data }: TestEvent): ReportLine | null {
  const name = data.name ?? "?";
  const file = data.file ?? "?";
  if (data.skip !== undefined && data.skip !== false) {
    return { kind: "skip", name, file, reason: reasonOf(data.skip) };
  }
  if (type === "test:pass" || data.todo) return { kind: "pass", name, file };
  const error = data.details?.error;
  if (hasFailureType(error, "subtestsFailed")) return null;
  return { kind: "fail", name, file, detail: describe(error) };
}

function reasonOf(skip: string | boolean): string {
  return typeof skip === "string" && skip !== "" ? skip : "no reason given";
}

/** The runner's own counts (nesting 0, no file) are left out: we count ourselves. */
function toDiagnostic({ data }: TestEvent): ReportLine | null {
  const message = data.message ?? "";
  if (
    data.file === undefined ||
    /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(message)
  ) {
    return null;
  }
  return { kind: "say", text: `  ${message}\n` };
}

function hasFailureType(error: unknown, failureType: string): boolean {
  return error instanceof Error && "failureType" in error && error.failureType === failureType;
}

/** The message and where in our own files it came from; Node's own frames and the repeated values say nothing more. */
function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (typeof cause === "string") return cause;
  if (!(cause instanceof Error)) return inspect(cause, { depth: 5, colors: false });
  const lines = (cause.stack ?? cause.message).split("\n");
  return lines.filter((line) => !/^\s+at .*node:internal/.test(line)).join("\n");
}
