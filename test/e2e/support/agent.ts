import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { KillRecord, LedgerRecord, SourceRecord } from "../../../src/model/record.ts";

const OOMWITNESS = resolve(import.meta.dirname, "../../../bin/oomwitness");

/** In a guest with emulated processors and a storm going on, 30 s were not always enough. */
const START_MILLISECONDS = 90_000;
/** A client whose address has too many lists open has room again when the agent has cut off those that do not read. */
const RETRY_MILLISECONDS = 30_000;

/** A real agent on a state directory and a port of its own. */
export class TestAgent {
  readonly stateDirectory: string;
  readonly port: number;
  readonly #command: readonly [string, ...string[]];
  #child: ChildProcess | null = null;
  #output = "";
  readonly #createdAt = new Date().toISOString();

  private constructor(port: number, command: readonly [string, ...string[]]) {
    this.port = port;
    this.#command = command;
    this.stateDirectory = mkdtempSync(join(tmpdir(), "oomwitness-test-"));
  }

  /** `command`: how to run the program, when not as users do. */
  static async create(command: readonly [string, ...string[]] = [OOMWITNESS]): Promise<TestAgent> {
    return new TestAgent(await freePort(), command);
  }

  /** Starts the program and waits until every source has reported. */
  async start(): Promise<void> {
    this.spawn();
    const deadline = Date.now() + START_MILLISECONDS;
    let said = "nothing";
    while (Date.now() < deadline) {
      if (this.end !== null) throw new Error(`agent ${this.end}: ${this.#output}`);
      const ready = await fetch(this.url("/readyz")).catch(() => null);
      if (ready?.ok === true) return;
      said = (await ready?.text().catch(() => null)) ?? said;
      await sleep(25);
    }
    const late = `agent not ready in ${START_MILLISECONDS} ms, said ${said}`;
    throw new Error(`${late}: ${this.#output}`);
  }

  /** Starts the program and does not wait. */
  spawn(): void {
    const listen = `127.0.0.1:${this.port}`;
    const [program, ...words] = this.#command;
    const args = [...words, "agent", "--state-dir", this.stateDirectory, "--listen", listen];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#output = "";
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-4000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.#child = child;
  }

  /** How it ended: `ended (SIGSEGV)`; null while it lives. */
  get end(): string | null {
    const how = this.#child?.signalCode ?? this.#child?.exitCode ?? null;
    return how === null ? null : `ended (${how})`;
  }

  /** The last of what it printed since its start. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** `kill -9`, and wait until it is gone. */
  async kill9(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.stateDirectory, { recursive: true, force: true });
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  async get(path: string): Promise<unknown> {
    const deadline = Date.now() + RETRY_MILLISECONDS;
    for (;;) {
      // A busy agent may close an idle connection just when it is used again: any client has to try anew.
      const response = await fetch(this.url(path)).catch(() => fetch(this.url(path)));
      if (response.ok) return response.json();
      const said = `${path}: ${response.status} ${await response.text()}`;
      const wait = response.headers.get("retry-after");
      // A client that is asked to come again does so.
      if (response.status !== 503 || wait === null || Date.now() > deadline) throw new Error(said);
      await sleep(Number(wait) * 1000);
    }
  }

  async ledger(): Promise<LedgerRecord> {
    return (await this.get("/api/v1/ledger")) as LedgerRecord;
  }

  async sources(): Promise<readonly SourceRecord[]> {
    return ((await this.get("/api/v1/sources")) as { items: SourceRecord[] }).items;
  }

  /** Those of the kills that happened since this was made: older ones, from the backlog, had pids that were given again. */
  own(kills: readonly KillRecord[]): KillRecord[] {
    return kills.filter(({ at }) => at >= this.#createdAt);
  }

  /** All recorded kills, every page, newest first. */
  async kills(): Promise<KillRecord[]> {
    const kills: KillRecord[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const page = (await this.get(`/api/v1/kills?limit=1000${query}`)) as {
        items: KillRecord[];
        next: string | null;
      };
      kills.push(...page.items);
      cursor = page.next;
    } while (cursor !== null);
    return kills;
  }

  /** Waits until the books have come to rest: nothing changed for `quietMilliseconds`. */
  async settle(quietMilliseconds = 3_500): Promise<void> {
    const deadline = Date.now() + 60_000;
    let last = "";
    let since = Date.now();
    while (Date.now() < deadline) {
      const now = JSON.stringify(await this.ledger());
      if (now !== last) {
        last = now;
        since = Date.now();
      }
      if (Date.now() - since >= quietMilliseconds) return;
      await sleep(100);
    }
    throw new Error(`the books did not come to rest in 60 s: ${last}`);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }
}

/** A port of 127.0.0.1 that nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
