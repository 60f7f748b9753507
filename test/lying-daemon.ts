import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";

/**
 * A Docker of an ordinary user that says of a container whatever it wants. By itself this file is the daemon's program:
 * UID, ID of the container and socket are its arguments; it becomes that user before it listens.
 */
export interface LyingDaemon {
  /** A process of that user. */
  readonly pid: number;
  readonly socket: string;
  stop(): Promise<void>;
}

/** Where rootless Docker listens; only the user may write there. */
export async function startLyingDaemon(uid: number, id: string): Promise<LyingDaemon> {
  const directory = `/run/user/${uid}`;
  mkdirSync(directory, { recursive: true });
  chownSync(directory, uid, uid);
  chmodSync(directory, 0o700);
  const socket = `${directory}/docker.sock`;
  const args = [import.meta.filename, String(uid), id, socket];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    pid: child.pid ?? 0,
    socket,
    stop: async () => {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const LABELS = {
  "io.kubernetes.pod.name": "payments-0",
  "io.kubernetes.pod.namespace": "bank",
  "io.kubernetes.pod.uid": "11111111-2222-4333-8444-555555555555",
  "io.kubernetes.container.name": "ledger",
};

/** What it answers: the container runs, as this very process. */
function answer(path: string, id: string): unknown {
  if (path === "/containers/json") {
    return [{ Id: id, Names: ["/ledger"], Image: "lie:1", Labels: LABELS, State: "running" }];
  }
  const StartedAt = new Date(Date.now() - 60_000).toISOString();
  const State = { Running: true, Pid: process.pid, ExitCode: 0, OOMKilled: false, StartedAt };
  return { Id: id, Name: "/ledger", Config: { Image: "lie:1", Labels: LABELS }, State };
}

function listen(uid: number, id: string, socket: string): void {
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://liar");
    if (pathname === "/events") response.flushHeaders();
    else response.end(JSON.stringify(answer(pathname, id)));
  });
  server.listen(socket, () => process.stdout.write("listening\n"));
}

if (import.meta.main) {
  const [uid = "", id = "", socket = ""] = process.argv.slice(2);
  listen(Number(uid), id, socket);
}
