import { HostError } from "../host/host.ts";

/**
 * An error an operator can meet: a stable code and a sentence that says what to do. Printed as one line on standard error:
 * `oomwitness: E_STATE_DIR: …`. The codes are listed in docs/cli.md.
 */
export type ErrorCode =
  | "E_USAGE"
  | "E_STATE_DIR"
  | "E_LOCKED"
  | "E_LISTEN"
  | "E_STORE"
  | "E_NOT_FOUND"
  | "E_AMBIGUOUS"
  | "E_INPUT"
  | "E_SELFTEST"
  | "E_HOST"
  | "E_INTERNAL";

export class CliError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, sentence: string) {
    super(sentence);
    this.name = "CliError";
    this.code = code;
  }
}

/** 0 fine, 1 it failed or found nothing, 2 wrong usage. */
export type ExitStatus = 0 | 1 | 2;

/** The one line for an error of any kind, and the exit status. */
export function describeError(error: unknown): {
  readonly line: string;
  readonly status: ExitStatus;
} {
  if (error instanceof CliError) {
    const status = error.code === "E_USAGE" ? 2 : 1;
    return { line: `oomwitness: ${error.code}: ${error.message}`, status };
  }
  if (error instanceof HostError) {
    const advice =
      "see that --proc-root and --state-dir are right, and that this user may use them";
    return { line: `oomwitness: E_HOST: ${error.message}: ${advice}.`, status: 1 };
  }
  const message = error instanceof Error ? error.message : String(error);
  const advice = "a fault of the program: repeat it with OOMWITNESS_DEBUG=1 and report the trace";
  return { line: `oomwitness: E_INTERNAL: ${message} (${advice})`, status: 1 };
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
