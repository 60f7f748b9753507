import type http from "node:http";
import type {
  Connection,
  HttpReply,
  HttpRequest,
  HttpStream,
  ServeOptions,
  TextReply,
} from "./http.ts";
import type { Places } from "./http-places.ts";
import type { Turns } from "./http-turns.ts";

/** How one request becomes bytes: at once, in turns, or as a stream without an end. */
export interface Answering {
  readonly options: ServeOptions;
  readonly places: Places;
  readonly turns: Turns;
  readonly connection: Connection;
}

interface Exchange extends Answering {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
}

export function sendReply(
  answering: Answering,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): void {
  const exchange: Exchange = { ...answering, request, response };
  exchange.connection.asked();
  response.on("error", () => undefined);
  response.once("close", () => exchange.connection.answered());
  if (hasBody(request)) {
    refuseBody(exchange);
    return;
  }
  const reply = guarded(exchange, () => exchange.options.handler(plainRequest(request)));
  if (reply !== null) send(exchange, reply);
}

function send(exchange: Exchange, reply: HttpReply): void {
  if (reply.kind === "text") sendText(exchange, reply, null);
  else if (reply.kind === "stream") sendStream(exchange, reply);
  else sendLong(exchange, reply.begin);
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

function refuseBody({ options, request, response }: Exchange): void {
  response.setHeader("connection", "close");
  sendFailure(options, response, 413);
  response.once("finish", () => request.socket.destroySoon());
}

function sendFailure(options: ServeOptions, response: http.ServerResponse, status: number): void {
  const { headers, body } = options.failure(status);
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

/** What `work` gives; a throw is reported and answered with 500, or with a cut where the reply had begun already. */
function guarded<T>({ options, response }: Exchange, work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    options.crashed(error);
    if (response.headersSent) response.destroy();
    else sendFailure(options, response, 500);
    return null;
  }
}

/** Everything in turns: the question of the first piece as well. */
function sendLong(exchange: Exchange, begin: () => TextReply): void {
  const { places, turns, response, connection, options } = exchange;
  const end = places.beginLong(connection);
  if (end === null) {
    sendFailure(options, response, 503);
    return;
  }
  response.once("close", end);
  turns.join(() => {
    if (response.destroyed) return;
    const reply = guarded(exchange, begin);
    if (reply !== null) sendText(exchange, reply, turns);
  });
}

/** Without `turns` the pieces follow each other at once. */
function sendText(exchange: Exchange, reply: TextReply, turns: Turns | null): void {
  const { request, response, connection } = exchange;
  response.writeHead(reply.status, { ...reply.headers });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const pieces = reply.body[Symbol.iterator]();
  const more = () => {
    let state: PieceState | null = "more";
    do {
      state = response.destroyed ? null : guarded(exchange, () => writePiece(pieces, response));
    } while (state === "more" && turns === null);
    if (state === "more") turns?.join(more);
    // Also when the last piece is written: what the kernel has not taken waits for the reader.
    else if (state !== null) connection.waits();
  };
  response.on("drain", () => {
    connection.reads();
    if (turns === null) more();
    else turns.join(more);
  });
  more();
}

type PieceState = "more" | "full" | "done";

/** True back-pressure: a large body is never whole in memory. */
function writePiece(
  pieces: Iterator<string | Uint8Array>,
  response: http.ServerResponse,
): PieceState {
  const piece = pieces.next();
  if (piece.done === true) {
    response.end();
    return "done";
  }
  return response.write(piece.value) ? "more" : "full";
}

function sendStream({ request, response }: Exchange, reply: HttpReply & { kind: "stream" }): void {
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
