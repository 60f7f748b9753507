import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { explainText, renderKills } from "../../src/browser.ts";

// The entry for browsers in a real one: Chromium loads the sources as they are, only their types taken off.

const ROOT = resolve(import.meta.dirname, "../..");
const LOGS = join(ROOT, "test/fixtures/stories");
const PATIENCE_MILLISECONDS = 60_000;

const PAGE = `<!doctype html><meta charset="utf-8"><title>oomwitness/browser</title><script type="module">
  const say = (told) => fetch("/told", { method: "POST", body: JSON.stringify(told) });
  addEventListener("error", ({ message }) => say({ error: message }));
  try {
    const { explainText, renderKills } = await import("/src/browser.ts");
    const { kills } = explainText(await (await fetch("/log")).text());
    say({ kills, text: renderKills(kills) });
  } catch (error) {
    say({ error: String(error) });
  }
</script>`;

function whyNoChromium(): string | null {
  const { error } = spawnSync("chromium", ["--version"]);
  return error === undefined ? null : "chromium is not installed: apt-get install chromium";
}

/** Every log of the stories, one after the other. */
function logText(): string {
  const names = readdirSync(LOGS).filter((name) => name.endsWith(".txt"));
  return names.map((name) => readFileSync(join(LOGS, name), "utf8")).join("\n");
}

function answer(path: string): { readonly type: string; readonly body: string } | null {
  if (path === "/") return { type: "text/html", body: PAGE };
  if (path === "/log") return { type: "text/plain; charset=utf-8", body: logText() };
  if (!/^\/src\/[\w/-]+\.ts$/.test(path)) return null;
  const source = readFileSync(join(ROOT, path), "utf8");
  return { type: "text/javascript; charset=utf-8", body: stripTypeScriptTypes(source) };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  told: (body: string) => void,
): Promise<void> {
  if (request.method === "POST") told(await text(request));
  const found = answer(request.url ?? "/");
  response.writeHead(found === null ? 404 : 200, { "content-type": found?.type ?? "text/plain" });
  response.end(found?.body ?? "");
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** What the page said when a real browser had opened it. */
async function openPage(): Promise<unknown> {
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-browser-"));
  let tell: (body: string) => void = () => {};
  const told = new Promise<string>((done) => {
    tell = done;
  });
  const server = createServer((request, response) => void serve(request, response, tell));
  const port = await listen(server);
  // Root needs no sandbox of its own, and has none to use.
  const words = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${directory}`];
  const program = ["--pdeathsig", "KILL", "chromium", ...words, `http://127.0.0.1:${port}/`];
  const chromium = spawn("setpriv", program, { stdio: ["ignore", "ignore", "pipe"] });
  const complaint = text(chromium.stderr);
  try {
    const late = sleep(PATIENCE_MILLISECONDS, null, { ref: false });
    const body = await Promise.race([told, late]);
    if (body !== null) return JSON.parse(body);
    chromium.kill("SIGKILL");
    throw new Error(`the page said nothing: ${(await complaint).slice(-2_000)}`);
  } finally {
    const ended = chromium.exitCode ?? chromium.signalCode;
    chromium.kill("SIGKILL");
    if (ended === null) await once(chromium, "exit");
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true, force: true, maxRetries: 20 });
  }
}

test("Chromium says of every story the same as Node", {
  skip: whyNoChromium() ?? false,
}, async (t) => {
  const { kills } = explainText(logText());
  assert.ok(kills.length >= 6, `${kills.length} kills`);
  assert.deepEqual(await openPage(), { kills, text: renderKills(kills) });
  t.diagnostic(`${kills.length} kills explained in the browser`);
});
