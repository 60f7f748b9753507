import { setTimeout as sleep } from "node:timers/promises";
import type { OutputRecord } from "../../../src/model/record.ts";

export interface StreamEvent {
  readonly sequence: number;
  readonly record: OutputRecord;
  readonly receivedAtMilliseconds: number;
}

/** A client of `/api/v1/events` that reconnects with `Last-Event-ID`, as an EventSource does. */
export class EventStream {
  readonly events: StreamEvent[] = [];
  readonly #url: string;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #last: number;
  connected = false;

  constructor(url: string, after = 0) {
    this.#url = url;
    this.#last = after;
    this.#done = this.#follow();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #follow(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#connect().catch(() => {});
      this.connected = false;
      await sleep(20);
    }
  }

  async #connect(): Promise<void> {
    const headers = { "Last-Event-ID": String(this.#last) };
    const response = await fetch(this.#url, { headers, signal: this.#stop.signal });
    if (!response.ok || response.body === null) return;
    this.connected = true;
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of response.body) {
      text += decoder.decode(chunk, { stream: true });
      const messages = text.split("\n\n");
      text = messages.pop() ?? "";
      for (const message of messages) this.#take(message);
    }
  }

  #take(message: string): void {
    const field = (name: string) =>
      message
        .split("\n")
        .find((line) => line.startsWith(`${name}: `))
        ?.slice(name.length + 2);
    const [id, data] = [field("id"), field("data")];
    if (id === undefined || data === undefined) return;
    const sequence = Number(id);
    const record = JSON.parse(data) as OutputRecord;
    this.#last = sequence;
    this.events.push({ sequence, record, receivedAtMilliseconds: performance.now() });
  }
}
