import http from "node:http";
import type { Duplex } from "node:stream";
import { toHostError } from "./errors.ts";
import { HostError } from "./host.ts";

/**
 * The door to a listening HTTP server. A handler is a plain function from a request to a reply, so that routes can be
 * tested without a socket. Requests carry no body here: this program is asked, never told.
 */
export interface HttpRequest {
  readonly method: string;
  /** The request target as sent: path and query, at most 16 KiB. */
  readonly target: string;
  /** Of the other end of the connection; "" when it is gone. */
  readonly remoteAddress: string;
  /** Header by lower-case name; repeated ones joined by ", "; `null` when absent. */
  header(name: string): string | null;
}

export type HttpReply =
  | {
      readonly kind: "text";
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      /** Sent in pieces, at the reader's pace. */
      readonly body: Iterable<string>;
    }
  | {
      readonly kind: "stream";
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      /** Called once the headers are out; not called for HEAD. */
      start(stream: HttpStream): void;
    };

/** A reply without an end, such as server-sent events. */
export interface HttpStream {
  /** Queues bytes; look at `bufferedBytes` before writing more. Ignored once closed. */
  write(bytes: Uint8Array): void;
  /** Bytes accepted by `write` that the kernel has not taken yet. */
  bufferedBytes(): number;
  /** Calls back each time everything queued has been taken by the kernel. */
  onDrain(call: () => void): void;
  /** Calls back once when the stream has ended for whatever reason. */
  onClose(call: () => void): void;
  /** Ends after what is queued. */
  end(): void;
  /** Ends at once; what is queued is lost. */
  destroy(): void;
}

export interface ServeOptions {
  readonly address: string;
  /** 0 picks a free port. */
  readonly port: number;
  handler(request: HttpRequest): HttpReply;
  /** The body of a reply that never reached the handler (bad or slow request). */
  failure(status: number): { readonly headers: Record<string, string>; readonly body: string };
  /** The handler threw: a bug, reported, answered with 500. */
  crashed(error: unknown): void;
  readonly limits?: Partial<ServeLimits>;
}

export interface ServeLimits {
  readonly connections: number;
  readonly headerBytes: number;
  /** Time for a whole request head to arrive: slow senders do not hold a place. */
  readonly requestMilliseconds: number;
  /** A connection on which nothing moves for so long is closed; a stream must write more often than this. */
  readonly idleMilliseconds: number;
}

export interface HttpServer {
  readonly port: number;
  /** Stops listening, gives replies under way a moment, then cuts them; resolves when all are gone. */
  close(): Promise<void>;
}

const DEFAULT_LIMITS: ServeLimits = {
  connections: 256,
  headerBytes: 16_384,
  requestMilliseconds: 10_000,
  idleMilliseconds: 60_000,
};

/** Time that replies under way get when the server closes. */
const CLOSE_MILLISECONDS = 300;

export async function serve(options: ServeOptions): Promise<HttpServer> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const server = http.createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.requestMilliseconds,
      requestTimeout: limits.requestMilliseconds,
      connectionsCheckingInterval: Math.min(1_000, limits.requestMilliseconds),
      keepAliveTimeout: 5_000,
      // Node answers a missing Host itself with an empty 400; the routes answer it with a sentence.
      requireHostHeader: false,
    },
    (request, response) => answer(options, request, response),
  );
  server.maxConnections = limits.connections;
  server.timeout = limits.idleMilliseconds;
  server.on("clientError", (error, socket) => refuse(options, error, socket));
  const port = await listen(server, options.address, options.port);
  return { port, close: () => closeServer(server) };
}

function listen(server: http.Server, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, address, port)));
    server.listen({ host: address, port }, () => {
      server.removeAllListeners("error");
      // EMFILE on accept and the like: the connection is lost, the server stays.
      server.on("error", () => undefined);
      const bound = server.address();
      resolve(bound !== null && typeof bound === "object" ? bound.port : port);
    });
  });
}

function listenError(error: Error, address: string, port: number): HostError {
  const { code, message } = toHostError(error, address);
  const where = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  return new HostError(code, where, `cannot listen on ${where}: ${listenAdvice(code, message)}`);
}

function listenAdvice(code: string, message: string): string {
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
      return message;
  }
}

function closeServer(server: http.Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MILLISECONDS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** A request that could not be parsed, was too large or too slow. */
function refuse(options: ServeOptions, error: Error, socket: Duplex) {
  const status = refusalStatus("code" in error ? error.code : null);
  if (!socket.writable || status === null) {
    socket.destroy();
    return;
  }
  const { headers, body } = options.failure(status);
  const lines = Object.entries({ ...headers, "content-length": String(Buffer.byteLength(body)) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const reason = http.STATUS_CODES[status] ?? "";
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${head}connection: close\r\n\r\n${body}`);
}

function refusalStatus(code: unknown): number | null {
  switch (code) {
    case "ECONNRESET":
    case "EPIPE":
      return null;
    case "HPE_HEADER_OVERFLOW":
      return 431;
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return 408;
    default:
      return 400;
  }
}

function answer(
  options: ServeOptions,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): void {
  response.on("error", () => undefined);
  if (hasBody(request)) {
    refuseBody(options, request, response);
    return;
  }
  const reply = replyOf(options, request);
  if (reply === null) sendFailure(options, response, 500);
  else if (reply.kind === "text") sendText(options, request, response, reply);
  else sendStream(request, response, reply);
}

function replyOf(options: ServeOptions, request: http.IncomingMessage): HttpReply | null {
  try {
    return options.handler(plainRequest(request));
  } catch (error) {
    options.crashed(error);
    return null;
  }
}

function plainRequest(request: http.IncomingMessage): HttpRequest {
  return {
    method: request.method ?? "",
    target: request.url ?? "",
    remoteAddress: request.socket.remoteAddress ?? "",
    header: (name) => {
      const value = request.headers[name];
      return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
    },
  };
}

function hasBody(request: http.IncomingMessage): boolean {
  const length = request.headers["content-length"];
  return (
    request.headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0")
  );
}

function refuseBody(
  options: ServeOptions,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): void {
  response.setHeader("connection", "close");
  sendFailure(options, response, 413);
  response.once("finish", () => request.socket.destroySoon());
}

function sendFailure(options: ServeOptions, response: http.ServerResponse, status: number): void {
  const { headers, body } = options.failure(status);
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function sendText(
  options: ServeOptions,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  reply: HttpReply & { kind: "text" },
): void {
  response.writeHead(reply.status, { ...reply.headers });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const pieces = reply.body[Symbol.iterator]();
  const more = () => pumpPieces(pieces, response);
  response.on("drain", () => guardPump(options, response, more));
  guardPump(options, response, more);
}

function guardPump(options: ServeOptions, response: http.ServerResponse, pump: () => void): void {
  try {
    pump();
  } catch (error) {
    options.crashed(error);
    response.destroy();
  }
}

/** Writes until the reader is full; true back-pressure, so a large body is never whole in memory. */
function pumpPieces(pieces: Iterator<string>, response: http.ServerResponse): void {
  for (;;) {
    const next = pieces.next();
    if (next.done === true) {
      response.end();
      return;
    }
    if (!response.write(next.value)) return;
  }
}

function sendStream(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  reply: HttpReply & { kind: "stream" },
): void {
  response.writeHead(reply.status, { ...reply.headers });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  response.flushHeaders();
  reply.start(streamOf(response));
}

function streamOf(response: http.ServerResponse): HttpStream {
  return {
    write: (bytes) => {
      if (!response.destroyed && !response.writableEnded) response.write(bytes);
    },
    bufferedBytes: () => response.writableLength,
    onDrain: (call) => void response.on("drain", call),
    onClose: (call) => void response.once("close", call),
    end: () => void response.end(),
    destroy: () => void response.destroy(),
  };
}
