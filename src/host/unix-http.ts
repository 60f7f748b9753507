import http from "node:http";
import { toHostError } from "./errors.ts";
import { HostError, type HttpClient, type LineHandler, type StreamHandle } from "./host.ts";

/** Requests at once to one daemon; what comes in addition waits its turn. */
const MAX_CONNECTIONS = 8;

type Get = Parameters<HttpClient["get"]>[0];
type Follow = Parameters<HttpClient["lines"]>[0];

/** HTTP over Unix sockets: how container runtimes are asked. Nothing here speaks to a network. */
export function createHttpClient(): HttpClient {
  const agent = new http.Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, maxFreeSockets: 1 });
  return {
    get: (request) => get(agent, request, true),
    lines: (request, handler) => new LineStream(request, handler),
  };
}

async function get(agent: http.Agent, request: Get, again: boolean) {
  try {
    return await getOnce(agent, request);
  } catch (error) {
    // A daemon that was restarted has closed the connection we kept.
    if (again && error instanceof StaleConnection) return get(agent, request, false);
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

function getOnce(
  agent: http.Agent,
  request: Get,
): Promise<{ readonly status: number; readonly body: string }> {
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
    call.on("error", fail);
    call.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("error", fail);
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBytes) fail(tooLarge(socketPath, maxBytes));
        else chunks.push(chunk);
      });
      response.on("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
      });
    });
  });
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
  #pieces: Buffer[] = [];
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
    if (this.#size > this.#request.maxLineBytes) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(piece);
  }

  #finishLine(): void {
    const dropped = this.#size > this.#request.maxLineBytes;
    const text = Buffer.concat(this.#pieces).toString("utf8");
    this.#pieces = [];
    this.#size = 0;
    if (dropped) this.#handler.dropped();
    else if (text !== "") this.#handler.line(text);
  }

  #end(error: HostError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.destroy();
    this.#handler.end(error);
  }
}
