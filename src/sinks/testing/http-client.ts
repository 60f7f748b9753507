import http from "node:http";
import net from "node:net";

/** HTTP clients for the tests of this folder. */

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export function ask(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      { method: options.method ?? "GET", headers: options.headers ?? {}, agent: false },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => {
          body += text;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
        response.on("error", reject);
      },
    );
    request.on("error", reject);
    request.end(options.body);
  });
}

/** Sends bytes as they are and returns everything that comes back until the server closes. */
export function rawExchange(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1", () => socket.write(text));
    let received = "";
    socket.setEncoding("utf8");
    socket.on("data", (piece: string) => {
      received += piece;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(received));
  });
}

export interface SeenEvent {
  readonly id: number | null;
  readonly event: string;
  readonly data: string;
}

export interface EventReader {
  readonly events: SeenEvent[];
  /** As a browser keeps it. */
  lastEventId(): string | null;
  /** Resolves when `condition` holds; rejects after 10 s. */
  until(condition: () => boolean): Promise<void>;
  readonly closed: Promise<void>;
  close(): void;
}

/** A reader of server-sent events that follows the standard's parsing of fields. */
export async function readEvents(
  url: string,
  lastEventId: string | null = null,
): Promise<EventReader> {
  const headers = lastEventId === null ? {} : { "last-event-id": lastEventId };
  const response = await open(url, headers);
  const events: SeenEvent[] = [];
  let identifier = lastEventId;
  let rest = "";
  let wake: () => void = () => undefined;
  response.setEncoding("utf8");
  response.on("data", (text: string) => {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const fields = fieldsOf(block);
      identifier = fields.get("id") ?? identifier;
      const data = fields.get("data");
      if (data === undefined) continue;
      const id = fields.get("id");
      events.push({
        id: id === undefined ? null : Number(id),
        event: fields.get("event") ?? "message",
        data,
      });
    }
    wake();
  });
  response.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => response.once("close", () => resolve()));
  void closed.then(() => wake());
  return {
    events,
    lastEventId: () => identifier,
    until: async (condition) => {
      const deadline = Date.now() + 10_000;
      while (!condition()) {
        if (Date.now() > deadline) throw new Error(`waited too long; ${events.length} events`);
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, 200);
        });
      }
    },
    closed,
    close: () => response.destroy(),
  };
}

function open(url: string, headers: Record<string, string>): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { headers, agent: false }, (response) => {
      if (response.statusCode === 200) resolve(response);
      else reject(new Error(`status ${response.statusCode}`));
    });
    request.on("error", reject);
  });
}

function fieldsOf(block: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1).replace(/^ /, ""));
  }
  return fields;
}
