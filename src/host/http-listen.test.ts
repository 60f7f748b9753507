import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { lstatSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type HttpServer, serve } from "./http.ts";

function socketPath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-test-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, "agent.sock");
}

function listen(path: string): Promise<HttpServer> {
  return serve({
    at: { kind: "unix", path },
    handler: () => ({ kind: "text", status: 200, headers: {}, body: ["ok\n"] }),
    failure: (status) => ({ headers: {}, body: `${status}\n` }),
    crashed: (error) => assert.fail(String(error)),
  });
}

function get(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath, path: "/", agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve(text));
    });
    request.on("error", reject);
  });
}

/** A socket as a killed agent leaves it. */
async function leaveSocket(path: string): Promise<void> {
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("close", resolve));
}

test("a Unix socket answers, is open to its owner and group only, and is gone at the end", async (t) => {
  const path = socketPath(t);
  const server = await listen(path);
  assert.equal(await get(path), "ok\n");
  assert.equal((lstatSync(path).mode & 0o777).toString(8), "660");
  await server.close();
  assert.equal(lstatSync(path, { throwIfNoEntry: false }), undefined);
});

test("a socket that a killed agent left is replaced, one on which somebody listens is not", async (t) => {
  const path = socketPath(t);
  await leaveSocket(path);
  assert.ok(lstatSync(path).isSocket());
  const server = await listen(path);
  await assert.rejects(listen(path), {
    code: "EADDRINUSE",
    message: /another program listens there/,
  });
  assert.equal(await get(path), "ok\n");
  await server.close();
});

test("a file that is no socket is left alone, and a missing directory is named", async (t) => {
  const path = socketPath(t);
  writeFileSync(path, "precious");
  await assert.rejects(listen(path), { code: "EEXIST", message: /no socket/ });
  assert.equal(lstatSync(path).size, 8);
  await assert.rejects(listen(`${path}.d/x.sock`), { message: /directory does not exist/ });
});
