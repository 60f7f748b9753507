import http2 from "node:http2";
import net from "node:net";
import { Budget } from "../std/budget.ts";
import { toHostError } from "./errors.ts";
import { HostError } from "./host.ts";

/**
 * Bytes of a connection that belong to no message: frame heads, settings, pings, window updates. nghttp2 itself ends a flood only of
 * frames that want an answer; others cost us a processor for as long as they come.
 */
const FRAMING_BYTES_AT_ONCE = 2 ** 20;
const FRAMING_BYTES_PER_SECOND = 2 ** 18;
const LOOK_MILLISECONDS = 200;
/** Of HTTP/2 itself, which has windows of 64 KiB; the library would take 10 MB. */
const SESSION_MEGABYTES = 2;

/**
 * One HTTP/2 connection to a daemon, which may be anybody. Whatever it does, the connection ends with a reason and nothing else: an
 * `error` of a session that nobody listens to would end the program.
 */
export class GrpcSession {
  readonly #socketPath: string;
  readonly #socket: net.Socket;
  readonly #session: http2.ClientHttp2Session;
  readonly #framing = new Budget(FRAMING_BYTES_AT_ONCE, FRAMING_BYTES_PER_SECOND);
  readonly #timer: NodeJS.Timeout;
  #reason: HostError | null = null;
  #payloadBytes = 0;
  #booked = 0;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
    this.#socket = net.connect(socketPath);
    this.#socket.on("error", (error) => this.#break(error));
    this.#session = http2.connect("http://localhost", {
      createConnection: () => this.#socket,
      maxSessionMemory: SESSION_MEGABYTES,
      settings: { enablePush: false },
    });
    this.#session.on("error", (error) => this.#break(error));
    this.#session.on("frameError", () => this.#break(this.#lost()));
    this.#session.on("goaway", () => this.#break(this.#lost()));
    this.#session.on("close", () => this.#break(this.#lost()));
    this.#session.unref();
    this.#timer = setInterval(() => this.#look(), LOOK_MILLISECONDS);
    this.#timer.unref();
  }

  /** Why it is over; `null` while it is not. */
  get reason(): HostError | null {
    return this.#reason;
  }

  request(headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream {
    if (this.#reason !== null) throw this.#reason;
    return this.#session.request(headers);
  }

  /** So many bytes were of messages. */
  received(bytes: number): void {
    this.#payloadBytes += bytes;
  }

  close(): void {
    this.#break(new HostError("ECANCELED", this.#socketPath, "the connection was closed"));
  }

  /** Each byte of a message excuses one of framing: a message of one byte needs some. */
  #look(): void {
    const framing = Math.max(0, this.#socket.bytesRead - 2 * this.#payloadBytes);
    const news = Math.max(0, framing - this.#booked);
    this.#booked = Math.max(this.#booked, framing);
    if (this.#framing.spend(news, performance.now())) return;
    const message = "the daemon floods the connection with frames that carry nothing";
    this.#break(new HostError("EPROTO", this.#socketPath, message));
  }

  #lost(): HostError {
    return new HostError("ECONNRESET", this.#socketPath, "the daemon closed the connection");
  }

  #break(error: unknown): void {
    if (this.#reason !== null) return;
    this.#reason = toHostError(error, this.#socketPath);
    clearInterval(this.#timer);
    this.#session.destroy();
    this.#socket.destroy();
  }
}
