/**
 * A crowd of clients in a process of its own: `http-crowd.ts PORT PAGERS IDLE TRICKLERS`. Pagers go through the whole list
 * of kills again and again, 1,000 a page; idle ones connect and say nothing; tricklers send a byte of a head each second.
 * Whoever is cut off comes back after a second. Prints `ready`, and when its standard input ends one line of JSON.
 */
import { Agent, get } from "node:http";
import { connect, type Socket } from "node:net";
import { setPriority } from "node:os";

export interface CrowdReport {
  readonly pages: number;
  readonly refused: number;
  readonly failed: number;
  readonly cut: number;
  readonly slowestPageMilliseconds: number;
}

setPriority(0);
const [port = 0, pagers = 0, idle = 0, tricklers = 0] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: pagers });
const RETURN_MILLISECONDS = 1_000;
const HEAD = `GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ${"a".repeat(1_000)}\r\n\r\n`;
let report: CrowdReport = { pages: 0, refused: 0, failed: 0, cut: 0, slowestPageMilliseconds: 0 };
let ended = false;

function count(what: "pages" | "refused" | "failed" | "cut"): void {
  report = { ...report, [what]: report[what] + 1 };
}

/** One page; its `next`, `null` at the end of the list or when it was not to be had. */
function page(cursor: string | null): Promise<string | null> {
  const began = performance.now();
  const path = `/api/v1/kills?limit=1000${cursor === null ? "" : `&cursor=${cursor}`}`;
  return new Promise((resolve) => {
    const request = get({ host: "127.0.0.1", port, path, agent }, (response) => {
      let tail = "";
      response.on("data", (bytes: Buffer) => {
        tail = (tail + bytes.subarray(-300).toString("latin1")).slice(-300);
      });
      response.on("end", () => {
        count(response.statusCode === 200 ? "pages" : "refused");
        const milliseconds = performance.now() - began;
        const slowestPageMilliseconds = Math.max(report.slowestPageMilliseconds, milliseconds);
        report = { ...report, slowestPageMilliseconds };
        resolve(/"next":"([^"]+)"/.exec(tail)?.[1] ?? null);
      });
    });
    request.on("error", () => {
      if (!ended) count("failed");
      setTimeout(resolve, RETURN_MILLISECONDS, null);
    });
  });
}

async function pager(): Promise<void> {
  let cursor: string | null = null;
  while (!ended) cursor = await page(cursor);
}

function loiter(connected: (socket: Socket) => () => void): void {
  if (ended) return;
  let leave: () => void = () => undefined;
  const socket = connect(port, "127.0.0.1", () => {
    leave = connected(socket);
  });
  socket.on("error", () => undefined);
  socket.resume();
  socket.on("close", () => {
    leave();
    if (!ended) count("cut");
    setTimeout(loiter, RETURN_MILLISECONDS, connected);
  });
}

function trickle(socket: Socket): () => void {
  let sent = 0;
  const timer = setInterval(() => socket.write(HEAD[sent++] ?? ""), 1_000);
  return () => clearInterval(timer);
}

for (let index = 0; index < idle; index += 1) loiter(() => () => undefined);
for (let index = 0; index < tricklers; index += 1) loiter(trickle);
for (let index = 0; index < pagers; index += 1) void pager();
setTimeout(() => process.stdout.write("ready\n"), RETURN_MILLISECONDS);
process.stdin.resume();
process.stdin.on("end", () => {
  ended = true;
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
});
