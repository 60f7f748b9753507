import assert from "node:assert/strict";
import http2 from "node:http2";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { frame, HostileServer, HTTP2_HOSTILITIES } from "../../test/hostile-http2.ts";
import { createGrpc } from "./grpc.ts";
import type { GrpcConnection } from "./host.ts";
import {
  ContainerSchema,
  ListContainersResponseSchema,
  RuntimeService,
} from "./protocol/cri/api_pb.js";

const { method } = RuntimeService;
const calls = { timeoutMilliseconds: 5_000, signal: new AbortController().signal };

describe("whatever a peer does to the connection, the call fails and nothing else", () => {
  for (const [what, hostility] of Object.entries(HTTP2_HOSTILITIES)) {
    test(what, async () => {
      const server = await HostileServer.start(hostility);
      const connection = await createGrpc().connect(server.socket);
      const before = process.cpuUsage();
      try {
        await assert.rejects(connection.call(method.version, {}, calls), (error) => {
          assert.ok(error instanceof Error && "code" in error);
          assert.match(String(error.code), /^(EPROTO|ECONNRESET|EPIPE)$/);
          return true;
        });
        connection.close();
        // An error that nobody listens to would come now, and end this process.
        await sleep(20);
        const { user, system } = process.cpuUsage(before);
        assert.ok(user + system < 3_000_000, `${user + system} µs of CPU`);
      } finally {
        await server.stop();
      }
    });
  }
});

/** Answers each call with these bytes and this status. */
async function answering(
  t: { after(call: () => Promise<void>): void },
  answer: (stream: http2.ServerHttp2Stream) => void,
): Promise<GrpcConnection> {
  const server = http2.createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    answer(stream);
  });
  const hostile = await HostileServer.start((connection) => server.emit("connection", connection));
  t.after(() => hostile.stop());
  const connection = await createGrpc().connect(hostile.socket);
  t.after(async () => connection.close());
  return connection;
}

const GRPC = { ":status": 200, "content-type": "application/grpc" };

function respond(stream: http2.ServerHttp2Stream, body: Uint8Array, status = "0"): void {
  stream.respond(GRPC, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": status }));
  stream.end(body);
}

function message(bytes: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

function listOf(count: number): Uint8Array {
  const containers = Array.from({ length: count }, (_, number) =>
    create(ContainerSchema, { id: `c${number}`, imageRef: "x".repeat(number % 3) }),
  );
  return toBinary(ListContainersResponseSchema, {
    ...create(ListContainersResponseSchema),
    containers,
  });
}

async function idsOf(connection: GrpcConnection, dropped = () => {}): Promise<string[]> {
  const ids: string[] = [];
  const { listContainers } = method;
  for await (const one of connection.elements(
    listContainers,
    ContainerSchema,
    {},
    calls,
    dropped,
  )) {
    ids.push(one.id);
  }
  return ids;
}

test("a list comes element by element, wherever the frames cut it", async (t) => {
  const body = message(listOf(500));
  const connection = await answering(t, (stream) => {
    stream.respond(GRPC, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    for (let at = 0; at < body.length; at += 7) stream.write(body.subarray(at, at + 7));
    stream.end();
  });
  assert.deepEqual(
    await idsOf(connection),
    Array.from({ length: 500 }, (_, one) => `c${one}`),
  );
});

test("an element of more than 512 KiB is left out and told, the others are read", async (t) => {
  const large = create(ContainerSchema, { id: "large", imageRef: "x".repeat(600_000) });
  const small = create(ContainerSchema, { id: "small" });
  const list = { ...create(ListContainersResponseSchema), containers: [large, small] };
  const body = message(toBinary(ListContainersResponseSchema, list));
  const connection = await answering(t, (stream) => respond(stream, body));
  let drops = 0;
  assert.deepEqual(await idsOf(connection, () => drops++), ["small"]);
  assert.equal(drops, 1);
});

test("an error of the daemon has the kernel's nearest name and the daemon's words", async (t) => {
  const connection = await answering(t, (stream) => {
    stream.respond(
      { ...GRPC, "grpc-status": "5", "grpc-message": "no%20such" },
      { endStream: true },
    );
  });
  await assert.rejects(connection.call(method.version, {}, calls), {
    code: "ENOENT",
    message: "no such",
  });
});

test("a message that says to be longer than is read is refused before it comes", async (t) => {
  const connection = await answering(t, (stream) =>
    respond(stream, Buffer.from([0, 0x7f, 0xff, 0xff, 0xff])),
  );
  await assert.rejects(connection.call(method.version, {}, calls), { code: "EMSGSIZE" });
});

test("no status, no gRPC, nothing at all: told as what it is", async (t) => {
  const silent = await answering(t, (stream) => stream.respond(GRPC, { endStream: true }));
  await assert.rejects(silent.call(method.version, {}, calls), /without a status/);
  const page = await answering(t, (stream) =>
    stream.respond({ ":status": 200 }, { endStream: true }),
  );
  await assert.rejects(page.call(method.version, {}, calls), { code: "EPROTO" });
  const mute = await HostileServer.start((one) => one.write(frame(4, 0, 0, Buffer.alloc(0))));
  t.after(() => mute.stop());
  const connection = await createGrpc().connect(mute.socket);
  const soon = { ...calls, timeoutMilliseconds: 100 };
  await assert.rejects(connection.call(method.version, {}, soon), { code: "ETIMEDOUT" });
  const aborted = { ...calls, signal: AbortSignal.timeout(50) };
  await assert.rejects(connection.call(method.version, {}, aborted), { code: "ECANCELED" });
  connection.close();
});
