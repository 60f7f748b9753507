import http from "node:http";
import { Budget } from "../std/budget.ts";
import { ByteGatherer } from "../std/byte-gatherer.ts";
import { JsonElements } from "../std/json-elements.ts";
import { toHostError } from "./errors.ts";
import { HostError, type HttpClient, type LineHandler, type StreamHandle } from "./host.ts";

/** Requests at once to one daemon; what comes in addition waits its turn. */
const MAX_CONNECTIONS = 8;

/** Lines of a stream: a full machine that starts all it has tells some 10,000 at once. */
const LINES_AT_ONCE = 20_000;
const LINES_PER_SECOND = 1_000;
const STREAM_BYTES_AT_ONCE = 2 ** 25;
const STREAM_BYTES_PER_SECOND = 2 ** 21;
/** Elements of a list, of whatever: each takes its time. */
const ELEMENTS_LIMIT = 50_000;
/** A container has an id of 64 digits. */
const LEAST_ELEMENT_BYTES = 64;
/** Answers before the answer (HTTP status 1xx). */
const INFORMATION_LIMIT = 10;

type Get = Parameters<HttpClient["get"]>[0];
type Follow = Parameters<HttpClient["lines"]>[0];

/** HTTP over Unix sockets: how container runtimes are asked. Nothing here speaks to a network. */
export function createHttpClient(): HttpClient {
  const agent = new http.Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, maxFreeSockets: 1 });
  return {
    get: async (request) => {
      const body = new ByteGatherer();
      const take = (chunk: Uint8Array) => body.add(chunk);
      const status = await receive(agent, request, take, true);
      return { status, body: new TextDecoder().decode(body.take()) };
    },
    list: async (request, element) => {
      const list = new JsonElements(request.maxElementBytes, LEAST_ELEMENT_BYTES);
      const decoder = new TextDecoder();
      let count = 0;
      const take = (chunk: Uint8Array) => {
        const elements = list.read(chunk);
        count += elements.length;
        if (count + list.dropped > ELEMENTS_LIMIT)
          throw tooMany(request.socketPath, `${ELEMENTS_LIMIT} elements`);
        for (const one of elements) element(decoder.decode(one));
      };
      const status = await receive(agent, request, take, true);
      return { status, isList: list.isWhole, dropped: list.dropped };
    },
    lines: (request, handler) => new LineStream(request, handler),
  };
}

type Take = (chunk: Uint8Array) => void;

/** One request; `take` is told the pieces of its answer. The status, when it has ended. */
async function receive(agent: http.Agent, request: Get, take: Take, again: boolean) {
  try {
    return await receiveOnce(agent, request, take);
  } catch (error) {
    // A daemon that was restarted has closed the connection we kept.
    if (again && error instanceof StaleConnection) return receive(agent, request, take, false);
    throw error instanceof StaleConnection ? error.reason : error;
  }
}

class StaleConnection extends Error {
  readonly reason: HostError;
  constructor(reason: HostError) {
    super(reason.message);
    this.reason = reason;
  }
}

function receiveOnce(agent: http.Agent, request: Get, take: Take): Promise<number> {
  const { socketPath, target, timeoutMilliseconds, maxBytes, signal } = request;
  return new Promise((resolve, reject) => {
    const call = http.get({
      socketPath,
      path: target,
      agent,
      headers: HEADERS,
      ...optional(signal),
    });
    const fail = (error: unknown) => {
      clearTimeout(timer);
      const reason = toHostError(error, socketPath);
      const stale = call.reusedSocket && ["ECONNRESET", "EPIPE"].includes(reason.code);
      reject(stale ? new StaleConnection(reason) : reason);
      call.destroy();
    };
    const timer = setTimeout(
      () => fail(new HostError("ETIMEDOUT", socketPath, `no answer in ${timeoutMilliseconds} ms`)),
      timeoutMilliseconds,
    );
    boundInformation(call, socketPath, fail);
    call.on("error", fail);
    call.on("response", (response) => {
      let size = 0;
      response.on("error", fail);
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        try {
          if (size > maxBytes) throw tooLarge(socketPath, maxBytes);
          take(chunk);
        } catch (error) {
          fail(error);
        }
      });
      response.on("end", () => {
        clearTimeout(timer);
        resolve(response.statusCode ?? 0);
      });
    });
  });
}

function boundInformation(
  call: http.ClientRequest,
  socketPath: string,
  fail: (error: HostError) => void,
): void {
  let informed = 0;
  call.on("information", () => {
    informed += 1;
    const message = `more than ${INFORMATION_LIMIT} answers before the answer`;
    if (informed > INFORMATION_LIMIT) fail(new HostError("EPROTO", socketPath, message));
  });
}

function tooMany(path: string, what: string): HostError {
  return new HostError("EMSGSIZE", path, `more than ${what}`);
}

/** Docker answers no request without a Host; the name means nothing on a Unix socket. */
const HEADERS = { host: "localhost" };

function optional(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function tooLarge(path: string, maxBytes: number): HostError {
  return new HostError("EMSGSIZE", path, `an answer of more than ${maxBytes} bytes`);
}

/** A reply without an end, cut at line ends. A line beyond the bound is dropped and said so. */
class LineStream implements StreamHandle {
  readonly #handler: LineHandler;
  readonly #request: Follow;
  readonly #call: http.ClientRequest;
  readonly #pieces = new ByteGatherer();
  readonly #lines = new Budget(LINES_AT_ONCE, LINES_PER_SECOND);
  readonly #bytes = new Budget(STREAM_BYTES_AT_ONCE, STREAM_BYTES_PER_SECOND);
  #size = 0;
  #ended = false;

  constructor(request: Follow, handler: LineHandler) {
    const { socketPath, target, connectMilliseconds } = request;
    this.#request = request;
    this.#handler = handler;
    this.#call = http.get({ socketPath, path: target, agent: false, headers: HEADERS });
    const late = () =>
      this.#end(new HostError("ETIMEDOUT", socketPath, `no answer in ${connectMilliseconds} ms`));
    const timer = setTimeout(late, connectMilliseconds);
    boundInformation(this.#call, socketPath, (error) => this.#end(error));
    this.#call.on("close", () => clearTimeout(timer));
    this.#call.on("error", (error) => this.#end(toHostError(error, socketPath)));
    this.#call.on("response", (response) => {
      clearTimeout(timer);
      this.#follow(response);
    });
  }

  close(): void {
    this.#end(null);
  }

  #follow(response: http.IncomingMessage): void {
    const { socketPath } = this.#request;
    response.on("error", (error) => this.#end(toHostError(error, socketPath)));
    response.on("end", () => this.#end(null));
    response.on("close", () => this.#end(null));
    if (response.statusCode !== 200) {
      this.#end(new HostError("EPROTO", socketPath, `HTTP status ${response.statusCode}`));
      return;
    }
    this.#handler.opened();
    response.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  #take(chunk: Buffer): void {
    const { socketPath } = this.#request;
    if (!this.#bytes.spend(chunk.length, performance.now())) {
      this.#end(tooMany(socketPath, "32 MiB of events at once and 2 MiB a second"));
    }
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0 && !this.#ended; at = chunk.indexOf(10, from)) {
      this.#add(chunk.subarray(from, at));
      this.#finishLine();
      from = at + 1;
    }
    this.#add(chunk.subarray(from));
  }

  #add(piece: Buffer): void {
    this.#size += piece.length;
    if (this.#size > this.#request.maxLineBytes) this.#pieces.take();
    else this.#pieces.add(piece);
  }

  #finishLine(): void {
    const dropped = this.#size > this.#request.maxLineBytes;
    const text = new TextDecoder().decode(this.#pieces.take());
    this.#size = 0;
    if (!this.#lines.spend(1, performance.now())) this.#end(this.#tooMany());
    else if (dropped) this.#handler.dropped();
    else if (text !== "") this.#handler.line(text);
  }

  #tooMany(): HostError {
    const { socketPath } = this.#request;
    return tooMany(socketPath, `${LINES_AT_ONCE} lines at once and ${LINES_PER_SECOND} a second`);
  }

  #end(error: HostError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.destroy();
    this.#handler.end(error);
  }
}
