import { type Host, HostError } from "../host/host.ts";
import { CliError } from "./errors.ts";

/**
 * One agent a state directory. Every agent that starts appends a line `PID START-TIME` to `agent.lock` (one write(2), so
 * lines never mix); the first line whose process still lives owns the directory. A killed agent needs no clean-up: its line
 * names a process that is gone, and the start time (/proc/PID/stat, field 22) tells a reused pid from it.
 */
const LOCK_FILE = "agent.lock";
/** Lines of dead agents that may gather before the owner writes the file anew. */
const LINES_LIMIT = 100;
const TRIES = 5;

export interface Lock {
  readonly pid: number;
}

/** Takes the directory for this process; the returned function gives it back. Fails with E_LOCKED or E_STATE_DIR. */
export function lockState(host: Host, directory: string, pid: number): () => void {
  const path = `${directory}/${LOCK_FILE}`;
  const own = lineOf(host, pid) ?? `${pid} ?`;
  for (let tries = 0; tries < TRIES; tries++) {
    append(host, directory, path, own);
    const owner = firstAlive(host, path);
    // The last owner removed the file between our writing and reading.
    if (owner === null) continue;
    if (owner !== own) throw locked(directory, owner);
    shorten(host, path, own);
    return () => release(host, path);
  }
  throw new CliError("E_STATE_DIR", `${path} keeps vanishing: give another --state-dir.`);
}

/** Who owns the directory; `null` when nobody does. */
export function readLock(host: Host, directory: string): Lock | null {
  const owner = firstAlive(host, `${directory}/${LOCK_FILE}`);
  return owner === null ? null : { pid: Number.parseInt(owner, 10) };
}

function locked(directory: string, owner: string): CliError {
  const pid = Number.parseInt(owner, 10);
  return new CliError(
    "E_LOCKED",
    `an agent with pid ${pid} already uses ${directory}: stop it, or give this one another --state-dir.`,
  );
}

function append(host: Host, directory: string, path: string, line: string): void {
  try {
    const file = host.files.openAppend(path);
    file.append(`${line}\n`);
    file.close();
  } catch (error) {
    const code = error instanceof HostError ? error.code : String(error);
    throw new CliError(
      "E_STATE_DIR",
      `cannot write in ${directory} (${code}): give a writable --state-dir.`,
    );
  }
}

function linesIn(host: Host, path: string): readonly string[] {
  return (host.files.tryReadText(path) ?? "").split("\n").filter((line) => line !== "");
}

function firstAlive(host: Host, path: string): string | null {
  return (
    linesIn(host, path).find((line) => lineOf(host, Number.parseInt(line, 10)) === line) ?? null
  );
}

/** `PID START-TIME` of a living process; START-TIME is ? where /proc does not tell. */
function lineOf(host: Host, pid: number): string | null {
  if (!Number.isSafeInteger(pid) || !host.processes.isAlive(pid)) return null;
  const stat = host.files.tryReadText(`/proc/${pid}/stat`) ?? "";
  // The name in field 2 may hold spaces and parentheses: fields are counted behind its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return `${pid} ${fields[19] ?? "?"}`;
}

function shorten(host: Host, path: string, own: string): void {
  if (linesIn(host, path).length > LINES_LIMIT) host.files.replace(path, `${own}\n`);
}

function release(host: Host, path: string): void {
  try {
    host.files.remove(path);
  } catch {
    // The next agent finds our line without a living process.
  }
}
