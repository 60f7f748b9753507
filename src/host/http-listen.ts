import fs from "node:fs";
import type http from "node:http";
import net from "node:net";
import { dirname } from "node:path";
import { codeOf, toHostError } from "./errors.ts";
import { HostError } from "./host.ts";

/** Where a server listens. */
export type HttpAddress =
  /** Port 0 picks a free one. */
  | { readonly kind: "tcp"; readonly address: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

export interface Bound {
  /** 0 of a Unix socket. */
  readonly port: number;
  /** Takes the file of a Unix socket away, if it is still ours. */
  remove(): void;
}

/** Everybody in its group may connect to a Unix socket of ours, nobody else. */
const SOCKET_UMASK = 0o117;
/** A program that listens answers the kernel at once: connect(2) does not wait for it. */
const PROBE_MILLISECONDS = 1_000;

/** Rejects with `HostError` whose message says what to do. */
export async function listen(server: http.Server, at: HttpAddress): Promise<Bound> {
  if (at.kind === "tcp") {
    const port = await listenTcp(server, at);
    return { port, remove: () => undefined };
  }
  await clearSocket(at.path);
  await started(server, at, () => {
    // bind(2) makes the file, in this very call: nobody can connect before it has its mode.
    const before = process.umask(SOCKET_UMASK);
    try {
      server.listen({ path: at.path });
    } finally {
      process.umask(before);
    }
  });
  const inode = inodeOf(at.path);
  return { port: 0, remove: () => removeSocket(at.path, inode) };
}

async function listenTcp(server: http.Server, at: HttpAddress & { kind: "tcp" }): Promise<number> {
  await started(server, at, () => server.listen({ host: at.address, port: at.port }));
  const bound = server.address();
  return bound !== null && typeof bound === "object" ? bound.port : at.port;
}

function started(server: http.Server, at: HttpAddress, begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(listenError(error, at));
    server.once("error", failed);
    server.once("listening", () => {
      server.off("error", failed);
      // EMFILE on accept and the like: the connection is lost, the server stays.
      server.on("error", () => undefined);
      resolve();
    });
    begin();
  });
}

/** A socket that an agent left when it was killed is taken away; one on which somebody listens, or another file, is not. */
async function clearSocket(path: string): Promise<void> {
  // libuv says EACCES of a bind(2) that failed with ENOENT.
  if (!fs.statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory()) {
    throw listenError(new HostError("ENOENT", path, ""), { kind: "unix", path });
  }
  const found = fs.lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new HostError(
      "EEXIST",
      path,
      `cannot listen on ${path}: it is a file that is no socket; choose another path`,
    );
  }
  if (await somebodyListens(path))
    throw listenError(new HostError("EADDRINUSE", path, ""), { kind: "unix", path });
  removeSocket(path, found.ino);
}

function somebodyListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path, timeout: PROBE_MILLISECONDS });
    const answer = (listens: boolean) => {
      socket.destroy();
      resolve(listens);
    };
    socket.once("connect", () => answer(true));
    socket.once("timeout", () => answer(true));
    // Only this says that nobody listens; EACCES or EAGAIN (its queue is full) do not.
    socket.once("error", (error) => answer(codeOf(error) !== "ECONNREFUSED"));
  });
}

function inodeOf(path: string): number | null {
  return fs.lstatSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

function removeSocket(path: string, inode: number | null): void {
  try {
    if (inode !== null && inodeOf(path) === inode) fs.unlinkSync(path);
  } catch {
    // It stays, and the next agent finds that nobody listens.
  }
}

function listenError(error: unknown, at: HttpAddress): HostError {
  const where = placeOf(at);
  const { code, message } = toHostError(error, where);
  const advice = at.kind === "tcp" ? tcpAdvice(code) : unixAdvice(code);
  return new HostError(code, where, `cannot listen on ${where}: ${advice ?? message}`);
}

function placeOf(at: HttpAddress): string {
  if (at.kind === "unix") return at.path;
  return at.address.includes(":") ? `[${at.address}]:${at.port}` : `${at.address}:${at.port}`;
}

function tcpAdvice(code: string): string | null {
  switch (code) {
    case "EADDRINUSE":
      return "another program listens there; stop it or choose another port with --listen";
    case "EACCES":
      return "ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one with --listen";
    case "EADDRNOTAVAIL":
      return "this machine has no such address; choose one of its own with --listen";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the name does not resolve; give an IP address to --listen";
    default:
      return null;
  }
}

function unixAdvice(code: string): string | null {
  switch (code) {
    case "EADDRINUSE":
      return "another program listens there; stop it or choose another path with --listen";
    case "EACCES":
    case "EPERM":
      return "this user may not make a file there; choose a directory it may write, such as its own below /run";
    case "ENOENT":
      return "its directory does not exist; make it, or choose another path with --listen";
    default:
      return null;
  }
}
