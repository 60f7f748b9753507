import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { flood, type Hostility } from "./hostile-http2.ts";

/** Answers of a Docker Engine API that want our memory, our time, or our patience. */
type Answer = (path: string, response: ServerResponse) => void;

const LABELS = { text: "x".repeat(400) };

function idOf(number: number): string {
  return number.toString(16).padStart(64, "0");
}

function listed(number: number, name = `/c${number}`): string {
  const named = { Id: idOf(number), Names: [name], Image: `i${number}` };
  return JSON.stringify({ ...named, Labels: LABELS, State: "exited" });
}

function eventOf(number: number, action = "create"): string {
  const Actor = { ID: idOf(number), Attributes: { ...LABELS, name: `c${number}` } };
  return `${JSON.stringify({ Type: "container", Action: action, Actor, timeNano: 1_795_243_962_168_556_000 })}\n`;
}

/** Writes pieces until there are none, as fast as they are taken. */
function stream(response: ServerResponse, pieces: Iterator<string>): void {
  const more = () => {
    for (;;) {
      const { done, value } = pieces.next();
      if (done === true) return void response.end();
      if (response.destroyed || !response.write(value)) return;
    }
  };
  response.on("drain", more);
  more();
}

function* list(count: number, element: (number: number) => string): Generator<string> {
  yield "[";
  for (let number = 0; number < count; number++) yield (number === 0 ? "" : ",") + element(number);
  yield "]";
}

function* endless(piece: (number: number) => string): Generator<string> {
  for (let number = 0; ; number++) yield piece(number);
}

function engine(answers: { readonly list?: Answer; readonly events?: Answer }): Hostility {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    response.on("error", () => undefined);
    const path = (request.url ?? "").replace(/\?.*/, "");
    if (path === "/events") {
      if (answers.events === undefined) response.flushHeaders();
      else answers.events(path, response);
    } else if (path === "/containers/json") {
      if (answers.list === undefined) response.end("[]");
      else answers.list(path, response);
    } else response.end(path === "/_ping" ? "OK" : "{}");
  });
  return (connection) => server.emit("connection", connection);
}

const MEBIBYTES_100 = Math.ceil(100_000_000 / 520);

export const ENGINE_HOSTILITIES: Readonly<Record<string, Hostility>> = {
  "a list of 100 MB": engine({ list: (_, to) => stream(to, list(MEBIBYTES_100, listed)) }),
  "a list without end": engine({
    list: (_, to) => stream(to, list(Number.MAX_SAFE_INTEGER, listed)),
  }),
  "a list of one element without end": engine({
    list: (_, to) =>
      stream(
        to,
        endless((number) => (number === 0 ? '[{"Id":"' : "x".repeat(65_536))),
      ),
  }),
  "a list of 10,000,000 empty elements": engine({
    list: (_, to) =>
      stream(
        to,
        list(1_000, () => "[],".repeat(10_000)),
      ),
  }),
  "a list of 10,000 containers with long names": engine({
    list: (_, to) =>
      stream(
        to,
        list(10_000, (number) => listed(number, `/${String(number).repeat(80_000 / 10)}`)),
      ),
  }),
  "one id 30,000 times": engine({
    list: (_, to) =>
      stream(
        to,
        list(30_000, () => listed(7)),
      ),
  }),
  "a list that trickles": engine({
    list: (_, to) => {
      const timer = setInterval(() => to.write(" "), 100);
      to.on("close", () => clearInterval(timer));
    },
  }),
  "a flood of events of new containers": engine({
    events: (_, to) =>
      stream(
        to,
        endless((number) => eventOf(number).repeat(10)),
      ),
  }),
  "a flood of events of one container": engine({
    events: (_, to) =>
      stream(
        to,
        endless(() => eventOf(1, "start").repeat(100)),
      ),
  }),
  "a flood of lines that are no events": engine({
    events: (_, to) =>
      stream(
        to,
        endless(() => "{}\n".repeat(10_000)),
      ),
  }),
  "a line without end": engine({
    events: (_, to) =>
      stream(
        to,
        endless(() => "x".repeat(65_536)),
      ),
  }),
  "headers without end": (connection) => {
    connection.write("HTTP/1.1 200 OK\r\n");
    flood(connection, Buffer.from(`X-Header: ${"x".repeat(100)}\r\n`));
  },
  "answers before the answer": (one) => flood(one, Buffer.from("HTTP/1.1 102 Processing\r\n\r\n")),
  "no answer at all": () => undefined,
};
