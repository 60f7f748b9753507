import type { Clock } from "../host/host.ts";
import type { HttpReply, HttpRequest, HttpStream } from "../host/http.ts";
import { addressKey } from "../host/http-places.ts";
import { EventRing, type Frame, frameOf, frameText } from "./event-ring.ts";
import { strangeParameter } from "./http-kills.ts";
import { errorReply, headersOf } from "./http-reply.ts";
import type { StreamRecord } from "./sink.ts";
import type { RecordLog } from "./store-read.ts";

/**
 * `GET /api/v1/events`: the stream as server-sent events. A client is first caught up, from the ring or the log and at
 * its own pace, and then live; the step between is made in one turn, so nothing is missed or told twice. What is no
 * longer kept is said in a `gap` event.
 */
export interface EventLimits {
  readonly clients: number;
  /** Of these, how many one client address may have. */
  readonly clientsOfAddress: number;
  /** Bytes that may wait for one client; a live one with more is dropped. */
  readonly bufferBytes: number;
  readonly heartbeatMilliseconds: number;
  /** Records kept in memory for clients that come back. */
  readonly ringRecords: number;
}

export const DEFAULT_EVENT_LIMITS: EventLimits = {
  clients: 64,
  clientsOfAddress: 48,
  bufferBytes: 1_048_576,
  heartbeatMilliseconds: 15_000,
  ringRecords: 1_000,
};

/** Records handed to a client in one turn while it catches up. */
const CATCH_UP_RECORDS = 200;
/** A client that catches up and takes nothing for so many heartbeats is dropped. */
const STALLED_HEARTBEATS = 2;

interface Client {
  readonly address: string;
  readonly stream: HttpStream;
  /** The sequence it is told next. */
  next: number;
  state: "catching-up" | "waiting-for-drain" | "live" | "gone";
  stalledHeartbeats: number;
}

export interface EventHubOptions {
  readonly log: RecordLog;
  readonly clock: Clock;
  readonly limits: EventLimits;
}

export class EventHub {
  readonly #options: EventHubOptions;
  readonly #ring: EventRing;
  readonly #clients = new Set<Client>();
  #last: number;
  #droppedClients = 0;
  #cancelHeartbeat: () => void = () => undefined;
  /** Clients that catch up, one a turn: however many come back at once, each turn is as short as one client's. */
  readonly #line: Client[] = [];
  #lineMoves = false;

  constructor(options: EventHubOptions) {
    this.#options = options;
    this.#ring = new EventRing(options.limits.ringRecords);
    this.#last = options.log.lastSequence();
    this.#heartbeatLater();
  }

  /** Slow readers cut off so far. */
  droppedClients(): number {
    return this.#droppedClients;
  }

  accept(records: readonly StreamRecord[]): void {
    const frames = records.map(frameOf);
    const last = frames.at(-1);
    if (last === undefined) return;
    this.#ring.push(frames);
    this.#last = Math.max(this.#last, last.sequence);
    const live = [...this.#clients].filter(({ state }) => state === "live");
    if (live.length === 0) return;
    const first = frames[0]?.sequence ?? last.sequence;
    const shared = Buffer.from(frames.map(({ text }) => text).join(""));
    for (const client of live) {
      if (client.next === first) this.#write(client, shared, last.sequence);
      else this.#tell(client, frames);
      this.#dropIfSlow(client);
    }
  }

  route(request: HttpRequest, parameters: URLSearchParams): HttpReply {
    const strange = strangeParameter(parameters, ["after"]);
    if (strange !== null) return errorReply(400, strange.code, strange.message);
    // A browser that comes back repeats the address and adds the header: the header is newer.
    const asked = request.header("last-event-id") ?? parameters.get("after");
    const after = asked === null ? this.#last : parseSequence(asked);
    if (after === null) {
      const message =
        "Last-Event-ID and 'after' must be the id of an event seen before: a whole number.";
      return errorReply(400, "bad-event-id", message);
    }
    const address = addressKey(request.remoteAddress);
    if (this.#isFull(address)) {
      const message = "Too many readers follow the stream: close one, or try again later.";
      return errorReply(503, "too-many-readers", message, { "retry-after": "5" });
    }
    const headers = headersOf("text/event-stream; charset=utf-8", { "x-accel-buffering": "no" });
    return {
      kind: "stream",
      status: 200,
      headers,
      start: (stream) => this.#add(stream, address, after),
    };
  }

  /** Ends every stream after what it was told. */
  close(): void {
    this.#cancelHeartbeat();
    for (const client of this.#clients) {
      client.state = "gone";
      client.stream.end();
    }
    this.#clients.clear();
  }

  #isFull(address: string): boolean {
    const { clients, clientsOfAddress } = this.#options.limits;
    if (this.#clients.size >= clients) return true;
    const own = [...this.#clients].filter((client) => client.address === address);
    return own.length >= clientsOfAddress;
  }

  #add(stream: HttpStream, address: string, after: number): void {
    const client: Client = {
      address,
      stream,
      next: after + 1,
      state: "catching-up",
      stalledHeartbeats: 0,
    };
    this.#clients.add(client);
    stream.onClose(() => this.#remove(client));
    stream.onDrain(() => this.#drained(client));
    // An id without data sets the reader's Last-Event-ID: it resumes even if it is cut before the first event.
    this.#writeText(client, `retry: 2000\nid: ${Math.min(after, this.#last)}\n\n`);
    if (after > this.#last) this.#reset(client);
    if (client.next > this.#last) client.state = "live";
    else this.#standInLine(client);
  }

  /** The reader has seen a later stream than ours: the state directory was lost, or is another one. */
  #reset(client: Client): void {
    client.next = this.#last + 1;
    this.#writeText(
      client,
      frameText(this.#last, "reset", `{"type":"reset","last":${this.#last}}`),
    );
  }

  #remove(client: Client): void {
    client.state = "gone";
    this.#clients.delete(client);
  }

  #drained(client: Client): void {
    client.stalledHeartbeats = 0;
    if (client.state !== "waiting-for-drain") return;
    client.state = "catching-up";
    this.#standInLine(client);
  }

  /** One turn of catching up; what is left comes after others had theirs. */
  #catchUp(client: Client): void {
    if (client.state !== "catching-up") return;
    if (client.next <= this.#last) this.#tell(client, this.#framesFrom(client.next));
    if (client.next > this.#last) client.state = "live";
    else if (client.stream.bufferedBytes() > this.#options.limits.bufferBytes / 4) {
      client.state = "waiting-for-drain";
    } else this.#standInLine(client);
  }

  #standInLine(client: Client): void {
    this.#line.push(client);
    this.#moveLine();
  }

  #moveLine(): void {
    if (this.#lineMoves || this.#line.length === 0) return;
    this.#lineMoves = true;
    this.#options.clock.after(0, () => {
      this.#lineMoves = false;
      const client = this.#line.shift();
      if (client !== undefined) this.#catchUp(client);
      this.#moveLine();
    });
  }

  /** What is kept from `sequence` on; nothing when the log cannot tell. */
  #framesFrom(sequence: number): readonly Frame[] {
    const first = this.#ring.first();
    if (first !== null && first <= sequence) return this.#ring.from(sequence, CATCH_UP_RECORDS);
    const [oldest, ...more] = this.#loggedFrom(sequence);
    // A log that has holes or cannot be read must not hide what memory still holds.
    const logged = oldest !== undefined && (first === null || oldest.sequence <= first);
    return logged ? [oldest, ...more] : this.#ring.from(sequence, CATCH_UP_RECORDS);
  }

  #loggedFrom(sequence: number): readonly Frame[] {
    try {
      return this.#options.log
        .eventsAfter(sequence - 1, CATCH_UP_RECORDS)
        .map(({ sequence: number, type, json }) => ({
          sequence: number,
          text: frameText(number, type, json),
        }));
    } catch {
      return [];
    }
  }

  /** Writes frames from `client.next` on, and says what is missing before, between and, if there are none, at all. */
  #tell(client: Client, frames: readonly Frame[]): void {
    let text = "";
    for (const { sequence, text: frame } of frames) {
      if (sequence < client.next) continue;
      text += gapText(client.next, sequence - 1) + frame;
      client.next = sequence + 1;
    }
    if (frames.length === 0) {
      text = gapText(client.next, this.#last);
      client.next = this.#last + 1;
    }
    if (text !== "") this.#writeText(client, text);
  }

  #write(client: Client, bytes: Uint8Array, last: number): void {
    client.stream.write(bytes);
    client.next = last + 1;
  }

  #writeText(client: Client, text: string): void {
    client.stream.write(Buffer.from(text));
  }

  #dropIfSlow(client: Client): void {
    if (client.stream.bufferedBytes() > this.#options.limits.bufferBytes) this.#drop(client);
  }

  #drop(client: Client): void {
    if (client.state === "gone") return;
    this.#remove(client);
    this.#droppedClients += 1;
    client.stream.destroy();
  }

  #heartbeatLater(): void {
    this.#cancelHeartbeat = this.#options.clock.after(
      this.#options.limits.heartbeatMilliseconds,
      () => {
        for (const client of [...this.#clients]) this.#heartbeat(client);
        this.#heartbeatLater();
      },
    );
  }

  #heartbeat(client: Client): void {
    if (client.state === "waiting-for-drain") {
      client.stalledHeartbeats += 1;
      if (client.stalledHeartbeats >= STALLED_HEARTBEATS) this.#drop(client);
      return;
    }
    this.#writeText(client, ":\n\n");
    this.#dropIfSlow(client);
  }
}

/** Sequences that are no longer kept, told in their place; "" when nothing is missing. */
function gapText(from: number, to: number): string {
  if (to < from) return "";
  return `event: gap\ndata: {"type":"gap","from":${from},"to":${to}}\n\n`;
}

function parseSequence(text: string): number | null {
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}
