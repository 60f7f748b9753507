import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { HostError } from "./host.ts";
import { createHttpClient } from "./unix-http.ts";

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** A daemon on a socket of its own; returns the socket's path and the connections it has. */
async function daemon(t: TestContext, answer: Answer) {
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-http-"));
  const socketPath = join(directory, "daemon.sock");
  const sockets = new Set<Socket>();
  const server = http.createServer(answer);
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((done) => server.listen(socketPath, done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true });
  });
  return { socketPath, sockets };
}

const BOUNDS = { timeoutMilliseconds: 1000, maxBytes: 1000 };
const code = (wanted: string) => (error: unknown) =>
  error instanceof HostError && error.code === wanted;

test("gets an answer, its status and invalid UTF-8 as U+FFFD", async (t) => {
  const { socketPath } = await daemon(t, (request, response) => {
    response.statusCode = request.url === "/there" ? 200 : 404;
    response.end(Buffer.from([0x68, 0xff, 0x69]));
  });
  const client = createHttpClient();
  const there = await client.get({ socketPath, target: "/there", ...BOUNDS });
  assert.deepEqual(there, { status: 200, body: "h\ufffdi" });
  assert.equal((await client.get({ socketPath, target: "/", ...BOUNDS })).status, 404);
});

test("an answer too late, too large or of nobody says which it was", async (t) => {
  const { socketPath } = await daemon(t, (request, response) => {
    if (request.url === "/large") response.end("x".repeat(2000));
  });
  const get = (target: string, path = socketPath) =>
    createHttpClient().get({ socketPath: path, target, ...BOUNDS, timeoutMilliseconds: 50 });
  await assert.rejects(get("/never"), code("ETIMEDOUT"));
  await assert.rejects(get("/large"), code("EMSGSIZE"));
  await assert.rejects(get("/", "/nowhere/daemon.sock"), code("ENOENT"));
});

test("a kept connection that the daemon closed meanwhile is no failure", async (t) => {
  const { socketPath, sockets } = await daemon(t, (_request, response) => void response.end("ok"));
  const client = createHttpClient();
  await client.get({ socketPath, target: "/", ...BOUNDS });
  for (const socket of sockets) socket.destroy();
  assert.equal((await client.get({ socketPath, target: "/", ...BOUNDS })).body, "ok");
});

/** Follows until the end; what was told, in order. */
function follow(socketPath: string, target: string): Promise<string[]> {
  return new Promise((resolve) => {
    const told: string[] = [];
    const bounds = { connectMilliseconds: 200, maxLineBytes: 10 };
    createHttpClient().lines(
      { socketPath, target, ...bounds },
      {
        opened: () => void told.push("opened"),
        line: (text) => void told.push(text),
        dropped: () => void told.push("dropped"),
        end: (error) => resolve([...told, error === null ? "end" : error.code]),
      },
    );
  });
}

test("lines come whole however they are cut; a line beyond the bound is dropped and said so", async (t) => {
  const { socketPath } = await daemon(t, async (request, response) => {
    if (request.url !== "/events") return void (request.url === "/late" || fail(response));
    response.writeHead(200);
    for (const piece of ["on", "e\ntw", "o\n\nfar too ", "long a line\nthr", "ee\nlast"]) {
      response.write(piece);
      await new Promise((done) => setTimeout(done, 5));
    }
    response.end();
  });
  const told = await follow(socketPath, "/events");
  assert.deepEqual(told, ["opened", "one", "two", "dropped", "three", "end"]);
  assert.deepEqual(await follow(socketPath, "/bad"), ["EPROTO"]);
  assert.deepEqual(await follow(socketPath, "/late"), ["ETIMEDOUT"]);
  assert.deepEqual(await follow("/nowhere/daemon.sock", "/events"), ["ENOENT"]);
});

function fail(response: http.ServerResponse): void {
  response.statusCode = 500;
  response.end();
}
