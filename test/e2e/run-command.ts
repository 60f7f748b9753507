import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

/** A run of `bin/oomwitness` as a user starts it. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  out(): string;
  errors(): string;
  /** Exit status, or the signal's name. */
  readonly ended: Promise<number | string>;
  /** Waits until standard output matches; fails with all output when the command ends first or 15 s pass. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
}

const ROOT = path.join(import.meta.dirname, "../..");
const PATIENCE_MILLISECONDS = 15_000;
/** No command under test runs longer; one that hangs is a failure, not a hanging check. */
const LONGEST_MILLISECONDS = 60_000;
/** When the tests are ended from outside, the commands they started end with them. */
const LEASH = existsSync("/usr/bin/setpriv") ? ["/usr/bin/setpriv", "--pdeathsig", "KILL"] : [];

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as this user without any capability; needs root. */
  readonly uid?: number;
}

export function oomwitness(words: readonly string[], options: RunOptions = {}): Running {
  const env = { PATH: process.env["PATH"], LANG: "C.UTF-8", HOME: "/nonexistent", ...options.env };
  const user = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
  const [program = "", ...rest] = [...LEASH, path.join(ROOT, "bin/oomwitness"), ...words];
  const child = spawn(program, rest, {
    timeout: LONGEST_MILLISECONDS,
    killSignal: "SIGKILL",
    stdio: ["ignore", "pipe", "pipe"],
    env,
    ...user,
  });
  let out = "";
  let errors = "";
  const changed: (() => void)[] = [];
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
    for (const call of changed) call();
  });
  child.stderr.on("data", (chunk) => {
    errors += String(chunk);
  });
  const ended = new Promise<number | string>((resolve) => {
    child.on("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
  });
  const until = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const fail = () => reject(new Error(`no ${pattern} in:\n${out}\n${errors}`));
      const timer = setTimeout(fail, PATIENCE_MILLISECONDS);
      const look = () => {
        const found = pattern.exec(out);
        if (found === null) return;
        clearTimeout(timer);
        resolve(found);
      };
      changed.push(look);
      void ended.then(() => {
        look();
        clearTimeout(timer);
        fail();
      });
      look();
    });
  return { child, pid: child.pid ?? 0, out: () => out, errors: () => errors, ended, until };
}
