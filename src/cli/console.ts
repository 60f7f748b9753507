import type { TerminalOutput } from "../sinks/terminal-screen.ts";
import { safeText } from "../sinks/terminal-text.ts";

/** Standard output and error of this process, and its signals. The only place of the command line that knows them. */
export interface Console extends TerminalOutput {
  /** One line on standard error, made safe to print. */
  error(line: string): void;
  /** A passing line on standard error where that is a terminal, in place of the one before; `null` takes it away. */
  progress(line: string | null): void;
  /** Resolves at the first SIGINT, SIGTERM or SIGHUP. */
  readonly interrupted: Promise<string>;
  /** Resolves when the reader of standard output went away: one such as `head` that has enough is no failure. */
  readonly readerGone: Promise<void>;
  /** Takes text in any case; false when the reader lags behind. For JSON lines. */
  push(text: string): boolean;
  onDrain(call: () => void): void;
  /** Resolves when all that was written has left this process, or has nobody to go to any more. */
  emptied(): Promise<void>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The console of this process. From here on signals end the command instead of the process. */
export function createConsole(): Console {
  const { stdout, stderr, env } = process;
  const unicode = isUnicode(env);
  const interactive = stdout.isTTY === true && env["TERM"] !== "dumb";
  // Without a listener a reader of errors that went away would end the agent.
  stderr.on("error", () => undefined);
  return {
    interactive,
    unicode,
    colour: wantsColour(env, interactive),
    size: () => sizeOf(stdout, env),
    write: (text) => void stdout.write(text),
    push: (text) => stdout.write(text),
    onDrain: (call) => void stdout.on("drain", call),
    onResize: (changed) => {
      stdout.on("resize", changed);
      return () => void stdout.off("resize", changed);
    },
    error: (line) => void stderr.write(`${safeText(line, { unicode })}\n`),
    progress: (line) => {
      if (stderr.isTTY === true) stderr.write(`\r\x1b[K${safeText(line ?? "", { unicode })}`);
    },
    interrupted: interruption(),
    readerGone: new Promise((resolve) => {
      stdout.on("error", () => resolve());
    }),
    emptied: async () => {
      await Promise.all([emptied(stdout), emptied(stderr)]);
    },
  };
}

/** Node writes to a pipe at the pace of its reader, and what still waits at the end of the process is lost. */
function emptied(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return Promise.resolve();
  return new Promise((resolve) => {
    // Called in its turn, or with an error.
    stream.write("", () => resolve());
  });
}

/** Minutes east of UTC of this machine's local time at a moment. */
export function localOffsetMinutes(wallMilliseconds: number): number {
  return -new Date(wallMilliseconds).getTimezoneOffset();
}

/** The first of LC_ALL, LC_CTYPE, LANG that is set decides, as in setlocale(3). */
export function isUnicode(env: Environment): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "C";
  return /utf-?8/i.test(locale);
}

/** https://no-color.org: NO_COLOR set and not empty wins over everything. */
export function wantsColour(env: Environment, interactive: boolean): boolean {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"] && env["FORCE_COLOR"] !== "0") return true;
  return interactive;
}

/** The kernel is asked each time: Node learns of a new size later than the terminal reflows. */
function sizeOf(
  stdout: NodeJS.WriteStream,
  env: Environment,
): { readonly columns: number | null; readonly rows: number } {
  const wished = Number.parseInt(env["COLUMNS"] ?? "", 10);
  if (stdout.isTTY !== true) {
    return { columns: wished >= 20 ? wished : null, rows: 24 };
  }
  const [columns, rows] = stdout.getWindowSize();
  return { columns: columns || 80, rows: rows || 24 };
}

function interruption(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => resolve(signal));
    }
  });
}
