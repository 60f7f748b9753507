import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { setPriority } from "node:os";
import { codeOf, toHostError } from "./errors.ts";
import {
  LOCKED_STATUS,
  type LockedStreamHandler,
  type Processes,
  type StreamHandle,
  type StreamHandler,
} from "./host.ts";
import { streamByPolling } from "./polling.ts";

/** How a file that blocks is read, best first. */
export type ReaderKind = "setpriv" | "cat" | "poll";

/** As much of a child's standard error as is told. */
const MESSAGE_CHARACTERS = 400;

/** Told by the reader before the first byte of the file. */
const OPENED = "opened\n";
/** The shell opens the file, says so, and becomes the reader: one process, which holds the lock and dies with us. */
const OPEN_AND_READ = 'exec <"$1" && echo opened && exec cat';

/** `kind` is found out at the first stream when not given. */
export function createProcesses(kind?: ReaderKind): Processes {
  let found = kind ?? null;
  const reader = (): ReaderKind => {
    found ??= findReader();
    return found;
  };
  let locks: boolean | null = null;
  const canLock = (): boolean => {
    locks ??= runs("flock", ["--no-fork", "--nonblock", "/dev/null", "true"]);
    return locks;
  };
  let shell: boolean | null = null;
  const hasShell = (): boolean => {
    shell ??= runs("sh", ["-c", "true"]);
    return shell;
  };
  return {
    stream: (path, handler) =>
      reader() === "poll"
        ? streamByPolling(path, handler)
        : streamChild(reader(), "cat", [path], handler),
    streamLocked: (path, lock, handler) =>
      reader() === "poll" || !hasShell()
        ? streamByPolling(path, handler, handler.opened)
        : streamLocked(reader(), canLock() ? lock : null, path, handler),
    streamCommand: (command, args, handler) => streamChild(reader(), command, args, handler),
    raisePriority,
    withholdPermissions: (mask) => void process.umask(mask),
    isAlive,
  };
}

function raisePriority(nice: number): boolean {
  try {
    setPriority(0, nice);
    return true;
  } catch {
    return false;
  }
}

/**
 * `setpriv --pdeathsig KILL` lets the kernel kill the child when this process dies, however it dies: an orphaned `cat`
 * keeps trace_pipe busy (EBUSY) for the next agent. Busybox's setpriv lacks the flag, so it is tried and not only looked
 * for. A plain `cat` still ends by SIGPIPE, at its next write.
 */
function findReader(): ReaderKind {
  if (runs("setpriv", ["--pdeathsig", "KILL", "cat", "/dev/null"])) return "setpriv";
  if (runs("cat", ["/dev/null"])) return "cat";
  return "poll";
}

function runs(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore", timeout: 2000 }).status === 0;
}

function streamLocked(
  kind: ReaderKind,
  lock: string | null,
  path: string,
  handler: LockedStreamHandler,
): StreamHandle {
  const read = ["sh", "-c", OPEN_AND_READ, "sh", path];
  const words =
    lock === null
      ? read
      : ["flock", "--no-fork", "--nonblock", "-E", String(LOCKED_STATUS), lock, ...read];
  const [command = "", ...args] = words;
  return streamChild(kind, command, args, withoutGreeting(handler));
}

/** Takes the reader's word that the file is open off the beginning of what comes. */
function withoutGreeting(handler: LockedStreamHandler): StreamHandler {
  let missing: number = OPENED.length;
  return {
    data: (chunk) => {
      const greeted = missing;
      missing = Math.max(0, missing - chunk.length);
      if (greeted > 0 && missing === 0) handler.opened();
      if (chunk.length > greeted) handler.data(chunk.subarray(greeted));
    },
    end: (status) => handler.end(status),
  };
}

function streamChild(
  kind: ReaderKind,
  command: string,
  args: readonly string[],
  handler: StreamHandler,
): StreamHandle {
  const words =
    kind === "setpriv" ? ["setpriv", "--pdeathsig", "KILL", command, ...args] : [command, ...args];
  return follow(words, handler);
}

function follow(words: readonly string[], handler: StreamHandler): StreamHandle {
  const child = start(words);
  if (child instanceof Error) return stillborn(child, handler);
  let closed = false;
  // Without descriptors left (EMFILE) there is no pipe either, whatever the types say.
  child.stdout?.on("data", (chunk: Uint8Array) => {
    if (!closed) handler.data(chunk);
  });
  reportEnd(child, handler);
  return {
    close: () => {
      if (closed) return;
      closed = true;
      abandon(child);
    },
  };
}

function start([program = "", ...args]: readonly string[]): ChildProcess | Error {
  try {
    return spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      // The messages on standard error are read by programs and tests: in English wherever we run.
      env: { ...process.env, LC_ALL: "C.UTF-8" },
    });
  } catch (error) {
    // Most failures are events, but not all: ENOMEM is thrown, and we run where memory is short.
    return toHostError(error, program);
  }
}

/** A stream that ends as soon as its caller has the handle. */
function stillborn({ message }: Error, handler: StreamHandler): StreamHandle {
  setImmediate(() => handler.end({ exitCode: null, message }));
  return { close: () => undefined };
}

/** Calls `handler.end` once, when the child is gone and its output is read to the end. */
function reportEnd(child: ChildProcess, handler: StreamHandler): void {
  let message = "";
  let ended = false;
  const end = (exitCode: number | null) => {
    if (ended) return;
    ended = true;
    handler.end({ exitCode, message: message.trim() });
  };
  child.stderr?.on("data", (chunk: Buffer) => {
    message = (message + chunk.toString("utf8")).slice(0, MESSAGE_CHARACTERS);
  });
  child.on("error", (error) => {
    message = error.message;
    // A program that never started emits no "close" on some failures (EMFILE).
    if (child.pid === undefined) end(null);
  });
  child.on("close", (exitCode) => end(exitCode));
}

/** Kills the child and lets this process exit even if the child cannot die (state D). */
function abandon(child: ChildProcess): void {
  child.kill("SIGKILL");
  child.stdout?.destroy();
  child.stderr?.destroy();
  child.unref();
}

function isAlive(pid: number): boolean {
  // kill(2) with 0 or a negative number speaks to groups.
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}
