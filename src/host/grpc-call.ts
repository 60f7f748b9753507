import type http2 from "node:http2";
import { codeOf } from "./errors.ts";
import { type MessageReader, WireError } from "./grpc-messages.ts";
import type { GrpcSession } from "./grpc-session.ts";
import { type GrpcCallOptions, HostError } from "./host.ts";

/** A longest answer of what a daemon says about an error. */
const REASON_LENGTH_LIMIT = 300;

export interface Question {
  readonly socketPath: string;
  /** `/containerd.services.version.v1.Version/Version` */
  readonly method: string;
  readonly input: Uint8Array;
  readonly options: GrpcCallOptions;
}

/**
 * One call (grpc.github.io/grpc/core/md_doc__p_r_o_t_o_c_o_l-_h_t_t_p2.html): a question, answers as they come, and a status in the
 * trailers. What is not taken waits in the windows of HTTP/2, so that a fast daemon waits for us.
 */
export async function* answers(
  session: GrpcSession,
  question: Question,
  reader: MessageReader,
): AsyncGenerator<Uint8Array> {
  const call = new Call(session, question);
  try {
    for await (const chunk of call.stream) {
      session.received(chunk.length);
      yield* reader.read(chunk);
    }
    if (reader.isInside) throw new WireError("EPROTO", "an answer that ends within a message");
    call.assertStatus();
  } catch (error) {
    // Why a connection broke is known a little after its streams have ended.
    if (session.reason === null) await new Promise(setImmediate);
    throw call.failure(error);
  } finally {
    call.end();
  }
}

class Call {
  readonly stream: AsyncIterable<Uint8Array> & http2.ClientHttp2Stream;
  readonly #session: GrpcSession;
  readonly #question: Question;
  readonly #timer: NodeJS.Timeout | null;
  #why: HostError | null = null;
  #headers: Headers = {};

  constructor(session: GrpcSession, question: Question) {
    this.#session = session;
    this.#question = question;
    const { signal, timeoutMilliseconds } = question.options;
    this.stream = session.request(requestHeaders(question));
    this.stream.on("response", (headers) => this.#answered(headers));
    this.stream.on("trailers", (headers) => Object.assign(this.#headers, headers));
    // The loop over the stream hears of it; between its steps nobody would.
    this.stream.on("error", () => undefined);
    this.stream.end(prefixed(question.input));
    signal.addEventListener("abort", this.#abort);
    if (signal.aborted) this.#abort();
    this.#timer =
      timeoutMilliseconds === undefined
        ? null
        : setTimeout(
            () => this.#fail("ETIMEDOUT", `no answer in ${timeoutMilliseconds} ms`),
            timeoutMilliseconds,
          );
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#question.options.signal.removeEventListener("abort", this.#abort);
    this.stream.destroy();
  }

  /** Throws what the daemon says went wrong. */
  assertStatus(): void {
    const { socketPath } = this.#question;
    if (this.#why !== null) throw this.#why;
    const status = this.#headers["grpc-status"];
    if (status === "0") return;
    if (status === undefined) throw new Error("an answer without a status");
    const told = String(this.#headers["grpc-message"] ?? "").slice(0, REASON_LENGTH_LIMIT);
    const reason = told === "" ? `status ${String(status)}` : unescaped(told);
    throw new HostError(codeOfStatus(status), socketPath, reason);
  }

  failure(error: unknown): HostError {
    const { socketPath } = this.#question;
    if (this.#why !== null) return this.#why;
    if (error instanceof WireError) return new HostError(error.code, socketPath, error.message);
    if (error instanceof HostError) return error;
    if (this.#session.reason !== null) return this.#session.reason;
    const isProtocol = codeOf(error).startsWith("ERR_HTTP2");
    const message = error instanceof Error ? error.message : "the daemon broke off its answer";
    return new HostError(isProtocol ? "EPROTO" : "ECONNRESET", socketPath, message);
  }

  #answered(headers: Headers): void {
    this.#headers = { ...headers };
    const type = headers["content-type"];
    if (headers[":status"] !== 200) this.#fail("EPROTO", `HTTP status ${headers[":status"]}`);
    else if (!String(type).startsWith("application/grpc")) {
      this.#fail("EPROTO", "an answer that is not gRPC");
    }
  }

  readonly #abort = (): void => this.#fail("ECANCELED", "the question was withdrawn");

  #fail(code: string, message: string): void {
    this.#why ??= new HostError(code, this.#question.socketPath, message);
    this.stream.destroy(this.#why);
  }
}

type Headers = Record<string, string | readonly string[] | number | undefined>;

function requestHeaders({ method, options }: Question): http2.OutgoingHttpHeaders {
  const { headers, timeoutMilliseconds } = options;
  return {
    ...headers,
    ":method": "POST",
    ":path": method,
    "content-type": "application/grpc+proto",
    te: "trailers",
    "user-agent": "oomwitness",
    ...(timeoutMilliseconds !== undefined && { "grpc-timeout": `${timeoutMilliseconds}m` }),
  };
}

function prefixed(input: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(input.length, 1);
  return Buffer.concat([prefix, input]);
}

/** gRPC escapes what is not ASCII as URLs do. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The kernel's nearest name for a status of gRPC (grpc.io/docs/guides/status-codes). */
const CODES: ReadonlyMap<string, string> = new Map([
  ["1", "ECANCELED"],
  ["4", "ETIMEDOUT"],
  ["5", "ENOENT"],
  ["7", "EPERM"],
  ["8", "EMSGSIZE"],
  ["10", "ECANCELED"],
  ["12", "ENOSYS"],
  ["14", "ECONNRESET"],
  ["16", "EPERM"],
]);

function codeOfStatus(status: unknown): string {
  return CODES.get(String(status)) ?? "EPROTO";
}
