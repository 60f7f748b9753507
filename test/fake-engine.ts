import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One container, as the daemon of a test has it. Times are wall µs. */
export interface FakeContainer {
  readonly id: string;
  name: string;
  running: boolean;
  pid: number;
  exitCode: number;
  oomKilled: boolean;
  restarts: number;
  startedAt: number | null;
  finishedAt: number | null;
  labels: Readonly<Record<string, string>>;
}

/** A daemon of a test that speaks as much of the Docker Engine API as is asked of it, and whatever else it is told to say. */
export class FakeEngine {
  readonly socket: string;
  readonly containers = new Map<string, FakeContainer>();
  /** `since` of each subscription to events. */
  readonly subscriptions: (string | null)[] = [];
  inspected = 0;
  /** Answers a request in its own way when it gives true. */
  intercept: (path: string, response: ServerResponse) => boolean | Promise<boolean> = () => false;
  readonly #directory: string;
  readonly #streams = new Set<ServerResponse>();
  /** Docker keeps as many, until it ends. */
  #history: { readonly at: number; readonly line: string }[] = [];
  #server = createServer();

  constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), "ow-fake-"));
    this.socket = join(this.#directory, "docker.sock");
  }

  async start(): Promise<void> {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((done) => this.#server.listen(this.socket, done));
  }

  /** As a daemon that is killed: connections break. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#streams.clear();
    this.#history = [];
    await new Promise((done) => this.#server.close(done));
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Made and not started; the number tells its id. */
  create(number: number, name = `c${number}`, labels = {}): FakeContainer {
    const container: FakeContainer = {
      id: containerId(number),
      name,
      running: false,
      pid: 0,
      exitCode: 0,
      oomKilled: false,
      restarts: 0,
      startedAt: null,
      finishedAt: null,
      labels,
    };
    this.containers.set(container.id, container);
    this.event(container, "create");
    return container;
  }

  /** `quietly`: nobody hears of it. */
  run(container: FakeContainer, pid: number, quietly = false): void {
    Object.assign(container, {
      running: true,
      pid,
      startedAt: nowMicroseconds(),
      oomKilled: false,
    });
    if (!quietly) this.event(container, "start");
  }

  end(container: FakeContainer, exitCode: number, quietly = false): void {
    Object.assign(container, { running: false, pid: 0, exitCode, finishedAt: nowMicroseconds() });
    if (!quietly) this.event(container, "die", { exitCode: String(exitCode) });
  }

  oom(container: FakeContainer): void {
    container.oomKilled = true;
    this.event(container, "oom");
  }

  remove(container: FakeContainer, quietly = false): void {
    this.containers.delete(container.id);
    if (!quietly) this.event(container, "destroy");
  }

  /** As Docker merges them: labels replace what the event itself says, but for image and name. */
  event(container: FakeContainer, action: string, attributes: Record<string, string> = {}): void {
    const merged = { ...attributes, ...container.labels, image: "fake:1", name: container.name };
    const actor = { ID: container.id, Attributes: merged };
    const at = nowMicroseconds();
    const event = { Type: "container", Action: action, Actor: actor, timeNano: at * 1000 };
    const line = JSON.stringify(event);
    this.#history = [...this.#history.slice(-255), { at, line }];
    this.say(line);
  }

  /** One line to everybody who follows the events. */
  say(line: string): void {
    for (const stream of this.#streams) stream.write(`${line}\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://fake");
    if (await this.intercept(url.pathname, response)) return;
    const id = /^\/containers\/([0-9a-f]{64})\/json$/.exec(url.pathname)?.[1];
    if (url.pathname === "/events") this.#subscribe(url, response);
    else if (url.pathname === "/containers/json") response.end(JSON.stringify(this.#list()));
    else if (id !== undefined) this.#inspect(id, response);
    else response.end("OK");
  }

  #subscribe(url: URL, response: ServerResponse): void {
    const since = url.searchParams.get("since");
    this.subscriptions.push(since);
    response.flushHeaders();
    for (const { at, line } of since === null ? [] : this.#history) {
      if (at >= Number(since) * 1_000_000) response.write(`${line}\n`);
    }
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }

  #list(): unknown[] {
    return [...this.containers.values()].map(({ id, name, running, startedAt, labels }) => ({
      Id: id,
      Names: [`/${name}`],
      Image: "fake:1",
      ImageID: `sha256:${"f".repeat(64)}`,
      Labels: labels,
      State: running ? "running" : startedAt === null ? "created" : "exited",
    }));
  }

  #inspect(id: string, response: ServerResponse): void {
    this.inspected += 1;
    const container = this.containers.get(id);
    if (container === undefined) {
      response.statusCode = 404;
      response.end('{"message":"No such container"}');
      return;
    }
    response.end(JSON.stringify(inspectOf(container)));
  }
}

function inspectOf(container: FakeContainer): unknown {
  const { id, name, running, pid, exitCode, oomKilled, labels } = container;
  return {
    Id: id,
    Name: `/${name}`,
    Image: `sha256:${"f".repeat(64)}`,
    RestartCount: container.restarts,
    Config: { Image: "fake:1", Labels: labels },
    State: {
      Running: running,
      Pid: pid,
      ExitCode: exitCode,
      OOMKilled: oomKilled,
      StartedAt: timeText(container.startedAt),
      FinishedAt: timeText(container.finishedAt),
    },
  };
}

/** 64 hexadecimal digits that begin with the number. */
function containerId(number: number): string {
  return number.toString(16).padStart(8, "0").padEnd(64, "0");
}

function timeText(microseconds: number | null): string {
  if (microseconds === null) return "0001-01-01T00:00:00Z";
  const fraction = String(microseconds % 1_000_000).padStart(6, "0");
  return `${new Date(microseconds / 1000).toISOString().slice(0, 19)}.${fraction}000Z`;
}

function nowMicroseconds(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1000);
}
