import http from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { sendReply } from "./http-answer.ts";
import { type HttpAddress, listen } from "./http-listen.ts";
import { addressKey, type PlaceLimits, Places } from "./http-places.ts";
import { Turns } from "./http-turns.ts";

/**
 * The door to a listening HTTP server. A handler is a plain function from a request to a reply, so that routes can be
 * tested without a socket. Requests carry no body here: this program is asked, never told.
 */
export interface HttpRequest {
  readonly method: string;
  /** The request target as sent: path and query, at most 16 KiB. */
  readonly target: string;
  /** Of the other end of the connection; "" when it is gone, and over a Unix socket. */
  readonly remoteAddress: string;
  /** Header by lower-case name; repeated ones joined by ", "; `null` when absent. */
  header(name: string): string | null;
}

export interface TextReply {
  readonly kind: "text";
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent in pieces, at the reader's pace. */
  readonly body: Iterable<string | Uint8Array>;
}

export type HttpReply =
  /** Sent at once: for what is short, and for what must not wait for others. */
  | TextReply
  /** `begin` and every piece of its body are each done in a turn of their own, after those of others that wait. */
  | { readonly kind: "long"; begin(): TextReply }
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
  readonly at: HttpAddress;
  handler(request: HttpRequest): HttpReply;
  /** The body of a reply that never reached the handler (bad or slow request, too many at a time). */
  failure(status: number): { readonly headers: Record<string, string>; readonly body: string };
  /** The handler threw: a bug, reported, answered with 500. */
  crashed(error: unknown): void;
  readonly limits?: Partial<ServeLimits>;
}

export interface ServeLimits extends PlaceLimits {
  readonly headerBytes: number;
  /** Time for a whole request head to arrive: slow senders do not hold a place. */
  readonly requestMilliseconds: number;
  /** A connection whose client neither asks nor reads for so long is closed. */
  readonly idleMilliseconds: number;
}

export interface HttpServer {
  /** 0 of a Unix socket. */
  readonly port: number;
  /** What was refused so far because the bounds were reached. */
  refused(): { readonly connections: number; readonly longReplies: number };
  /** Stops listening, gives replies under way a moment, then cuts them; resolves when all are gone. */
  close(): Promise<void>;
}

const DEFAULT_LIMITS: ServeLimits = {
  connections: 1_024,
  longReplies: 256,
  addressShare: 0.75,
  headerBytes: 16_384,
  requestMilliseconds: 5_000,
  idleMilliseconds: 10_000,
};

const KEEP_ALIVE_MILLISECONDS = 5_000;
/** Time that replies under way get when the server closes. */
const CLOSE_MILLISECONDS = 300;

export async function serve(options: ServeOptions): Promise<HttpServer> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const places = new Places(limits);
  const turns = new Turns();
  const connections = new WeakMap<Duplex, Connection>();
  const server = http.createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.requestMilliseconds,
      requestTimeout: limits.requestMilliseconds,
      connectionsCheckingInterval: Math.min(1_000, limits.requestMilliseconds),
      keepAliveTimeout: KEEP_ALIVE_MILLISECONDS,
      // Node answers a missing Host itself with an empty 400; the routes answer it with a sentence.
      requireHostHeader: false,
    },
    (request, response) => {
      const connection = connections.get(request.socket);
      if (connection === undefined) response.destroy();
      else sendReply({ options, places, turns, connection }, request, response);
    },
  );
  server.on("connection", (socket) => {
    const connection = new Connection(socket, places);
    if (connection.entered) connections.set(socket, connection);
  });
  server.on("clientError", (error, socket) => refuse(options, error, socket));
  const bound = await listen(server, options.at);
  const stopSweeping = sweep(places, limits.idleMilliseconds);
  return {
    port: bound.port,
    refused: () => ({ connections: places.closedForRoom, longReplies: places.refusedLong }),
    close: async () => {
      stopSweeping();
      await closeServer(server);
      bound.remove();
    },
  };
}

/** One connection and the replies it is owed; more than one when the client did not wait for an answer before it asked. */
export class Connection {
  readonly address: string;
  readonly entered: boolean;
  readonly #socket: Socket;
  readonly #places: Places;
  #owed = 0;

  constructor(socket: Socket, places: Places) {
    this.#socket = socket;
    this.#places = places;
    this.address = addressKey(socket.remoteAddress ?? "");
    this.entered = places.enter(this, performance.now());
    socket.once("close", () => places.leave(this));
  }

  close(): void {
    this.#socket.destroy();
  }

  /** A reply is owed. */
  asked(): void {
    this.#owed += 1;
    this.#places.busy(this);
  }

  /** A reply is out, or will never be. */
  answered(): void {
    this.#owed -= 1;
    if (this.#owed === 0) this.waits();
  }

  /** The client does not read what it asked for. */
  waits(): void {
    this.#places.idle(this, performance.now());
  }

  reads(): void {
    if (this.#owed > 0) this.#places.busy(this);
  }
}

function sweep(places: Places, idleMilliseconds: number): () => void {
  const timer = setInterval(
    () => places.closeIdleSince(performance.now() - idleMilliseconds),
    Math.min(1_000, idleMilliseconds / 2),
  );
  timer.unref();
  return () => clearInterval(timer);
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
