import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type HttpReply, type ServeLimits, serve } from "./http.ts";

const LONG_PIECES = 200;
const PIECE = "x".repeat(10_000);
/** More than the kernel's buffers take: 6 MB on loopback. */
const LARGE = "x".repeat(20_000_000);

function text(body: Iterable<string>): HttpReply & { kind: "text" } {
  return { kind: "text", status: 200, headers: {}, body };
}

/** `/long` is a list whose pieces cost a millisecond each, `/large` one large piece, `/short` an answer at once. */
async function withServer(
  limits: Partial<ServeLimits>,
  work: (port: number) => Promise<void>,
): Promise<void> {
  const begin = () =>
    text(
      (function* () {
        for (let piece = 0; piece < LONG_PIECES; piece += 1) {
          const end = performance.now() + 1;
          while (performance.now() < end);
          yield PIECE;
        }
      })(),
    );
  const server = await serve({
    at: { kind: "tcp", address: "127.0.0.1", port: 0 },
    handler: ({ target }) => {
      if (target === "/large") return { kind: "long", begin: () => text([LARGE]) };
      return target === "/long" ? { kind: "long", begin } : text(["ok\n"]);
    },
    failure: (status) => ({ headers: {}, body: `${status}\n` }),
    crashed: (error) => assert.fail(String(error)),
    limits,
  });
  try {
    await work(server.port);
  } finally {
    await server.close();
  }
}

function ask(port: number, path: string): Promise<{ status: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, bytes }));
    });
    request.on("error", reject);
  });
}

function connected(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1", () => resolve(socket));
    socket.on("error", reject);
  });
}

test("a short answer does not wait for long ones, and those are complete", () =>
  withServer({}, async (port) => {
    const long = Array.from({ length: 10 }, () => ask(port, "/long"));
    await sleep(100);
    for (let turn = 0; turn < 20; turn += 1) {
      const began = performance.now();
      assert.equal((await ask(port, "/short")).status, 200);
      // 2 s of work are owed to the others.
      assert.ok(performance.now() - began < 300);
    }
    for (const answer of await Promise.all(long)) {
      assert.deepEqual(answer, { status: 200, bytes: LONG_PIECES * PIECE.length });
    }
  }));

test("more long answers than the bound are refused at once", () =>
  withServer({ longReplies: 4, addressShare: 0.5 }, async (port) => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(port, "/long")));
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted(),
      [200, 200, 503, 503, 503, 503],
    );
    assert.equal((await ask(port, "/long")).status, 200);
  }));

test("idle connections and readers that do not read shut nobody out", () =>
  withServer({ connections: 20, longReplies: 10, addressShare: 1 }, async (port) => {
    const silent = await Promise.all(Array.from({ length: 20 }, () => connected(port)));
    const closed = silent.map(
      (socket) => new Promise((resolve) => socket.resume().once("close", resolve)),
    );
    const deaf = await Promise.all(Array.from({ length: 20 }, () => connected(port)));
    for (const socket of deaf) socket.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await Promise.all(closed);
    await sleep(500);
    for (let turn = 0; turn < 30; turn += 1) assert.equal((await ask(port, "/short")).status, 200);
    for (const socket of deaf) socket.destroy();
  }));

test("a connection whose client says nothing or does not read is closed", () =>
  withServer({ idleMilliseconds: 200 }, async (port) => {
    const silent = await connected(port);
    const deaf = await connected(port);
    deaf.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await new Promise((resolve) => silent.resume().once("close", resolve));
    await sleep(600);
    let bytes = 0;
    deaf.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    deaf.on("error", () => undefined);
    await new Promise((resolve) => deaf.once("close", resolve));
    assert.ok(bytes > 0 && bytes < LARGE.length);
  }));
