import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a server says to whoever connects. */
export type Hostility = (connection: net.Socket) => void;

/** A real server on a real socket that says whatever it wants. */
export class HostileServer {
  readonly socket: string;
  connections = 0;
  readonly #directory: string;
  readonly #server: net.Server;
  readonly #open = new Set<net.Socket>();

  private constructor(hostility: Hostility, socket: string | null) {
    this.#directory = mkdtempSync(join(tmpdir(), "ow-hostile-"));
    this.socket = socket ?? join(this.#directory, "daemon.sock");
    this.#server = net.createServer((connection) => {
      this.connections += 1;
      this.#open.add(connection);
      connection.on("error", () => undefined);
      connection.on("close", () => this.#open.delete(connection));
      hostility(connection);
    });
  }

  /** On a socket of its own, or at `socket`. */
  static async start(hostility: Hostility, socket: string | null = null): Promise<HostileServer> {
    const server = new HostileServer(hostility, socket);
    await new Promise<void>((done) => server.#server.listen(server.socket, done));
    return server;
  }

  async stop(): Promise<void> {
    for (const connection of this.#open) connection.destroy();
    await new Promise((done) => this.#server.close(done));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Writes the same bytes for as long as they are taken. */
export function flood(connection: net.Socket, bytes: Uint8Array): void {
  const block = Buffer.concat(Array<Uint8Array>(Math.ceil(65_536 / bytes.length)).fill(bytes));
  const more = () => {
    while (!connection.destroyed && connection.write(block));
  };
  connection.on("drain", more);
  more();
}

/** A frame of HTTP/2 (RFC 9113, 4.1). */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const NONE = Buffer.alloc(0);
const ONE = Buffer.from([0, 0, 0, 1]);
const MOST = Buffer.from([0x7f, 0xff, 0xff, 0xff]);
export const SETTINGS = frame(4, 0, 0, NONE);

/** After the client's greeting. */
function then(answer: (connection: net.Socket) => void): Hostility {
  return (connection) => {
    connection.write(SETTINGS);
    connection.once("data", () => answer(connection));
  };
}

/** Peers that do not speak HTTP/2, or nothing but its control frames. */
export const HTTP2_HOSTILITIES: Readonly<Record<string, Hostility>> = {
  "an answer of HTTP/1.1": (one) => one.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
  "an answer of HTTP/1.1 in the middle": then((one) => one.write("HTTP/1.1 400 Bad Request\r\n")),
  garbage: (one) => flood(one, Buffer.alloc(65_536, 0xff)),
  "a flood of PING": then((one) => flood(one, frame(6, 0, 0, Buffer.alloc(8)))),
  "a flood of SETTINGS": (one) => flood(one, SETTINGS),
  "a flood of RST_STREAM": then((one) => flood(one, frame(3, 0, 1, ONE))),
  "a flood of WINDOW_UPDATE": then((one) => flood(one, frame(8, 0, 0, ONE))),
  "a flood of WINDOW_UPDATE of a stream": then((one) => flood(one, frame(8, 0, 1, ONE))),
  "a flood of PRIORITY": then((one) => flood(one, frame(2, 0, 1, Buffer.alloc(5)))),
  "a flood of unknown frames": then((one) => flood(one, frame(0xfe, 0, 0, Buffer.alloc(64)))),
  "a flood of GOAWAY": then((one) => flood(one, frame(7, 0, 0, Buffer.alloc(8)))),
  "windows beyond their bound": then((one) => {
    for (let times = 0; times < 2; times++) one.write(frame(8, 0, 0, MOST));
  }),
  "a frame that is too long": then((one) =>
    one.write(Buffer.from([255, 255, 255, 0, 0, 0, 0, 0, 1])),
  ),
  "a connection closed at once": (one) => one.destroy(),
  "a connection closed in the middle": then((one) => one.destroy()),
};
