import net from "node:net";
import type { Code, Transport } from "@connectrpc/connect";
import { codeOf } from "./errors.ts";
import { type Grpc, type GrpcConnection, HostError } from "./host.ts";

export type { Timestamp } from "@bufbuild/protobuf/wkt";

/**
 * gRPC over Unix sockets. The libraries cost 12 MB of private memory (docs/decisions/0001-dependencies.md), so they are
 * loaded at the first connection: where no runtime speaks gRPC nobody pays.
 */
export function createGrpc(): Grpc {
  return { connect };
}

/** Larger messages are refused; a daemon's own limit is 16 MiB (containerd, config `max_send_message_size`). */
const MESSAGE_BYTES_LIMIT = 16 * 1024 * 1024;

/** Fields we did not vendor would otherwise be kept with each message: they are most of a container. */
const READING = { readUnknownFields: false };

async function connect(socketPath: string): Promise<GrpcConnection> {
  const { fromBinary } = await import("@bufbuild/protobuf");
  const { Code, ConnectError } = await import("@connectrpc/connect");
  const { createGrpcTransport, Http2SessionManager } = await import("@connectrpc/connect-node");
  const baseUrl = "http://localhost";
  const createConnection = () => net.connect(socketPath);
  const sessionManager = new Http2SessionManager(baseUrl, {}, { createConnection });
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager,
    acceptCompression: [],
    binaryOptions: READING,
    readMaxBytes: MESSAGE_BYTES_LIMIT,
  });
  const failure = (error: unknown) => {
    if (error instanceof HostError) return error;
    const told = ConnectError.from(error);
    return new HostError(codeFor(told, Code), socketPath, told.message.slice(0, 300));
  };
  let closed = false;
  const open = () => {
    // The library would connect anew.
    if (closed) throw new HostError("ECANCELED", socketPath, "the connection was closed");
    return transport;
  };
  return {
    ...calls(open, failure),
    decode: (schema, bytes) => {
      try {
        return fromBinary(schema, bytes, READING);
      } catch {
        return null;
      }
    },
    close: () => {
      closed = true;
      sessionManager.abort();
    },
  };
}

type Failure = (error: unknown) => HostError;

function calls(open: () => Transport, failure: Failure): Pick<GrpcConnection, "call" | "follow"> {
  return {
    call: async (method, input, { timeoutMilliseconds, headers, signal }) => {
      try {
        const answer = await open().unary(method, signal, timeoutMilliseconds, headers, input);
        return answer.message;
      } catch (error) {
        throw failure(error);
      }
    },
    follow: async function* (method, input, { timeoutMilliseconds, headers, signal }) {
      try {
        const inputs = one(input);
        const answer = await open().stream(method, signal, timeoutMilliseconds, headers, inputs);
        yield* answer.message;
      } catch (error) {
        throw failure(error);
      }
    },
  };
}

async function* one<Item>(item: Item): AsyncIterable<Item> {
  yield item;
}

/** The kernel's name for what happened where there is one: a refused connection, a missing socket. */
function codeFor(error: { code: Code; cause?: unknown }, codes: typeof Code): string {
  const underlying = codeOf(error.cause);
  if (underlying.startsWith("E") && underlying !== "EUNKNOWN" && !underlying.startsWith("ERR_")) {
    return underlying;
  }
  switch (error.code) {
    case codes.NotFound:
      return "ENOENT";
    case codes.DeadlineExceeded:
      return "ETIMEDOUT";
    case codes.Canceled:
    case codes.Aborted:
      return "ECANCELED";
    case codes.Unavailable:
      return "ECONNRESET";
    case codes.Unimplemented:
      return "ENOSYS";
    case codes.PermissionDenied:
    case codes.Unauthenticated:
      return "EPERM";
    case codes.ResourceExhausted:
      return "EMSGSIZE";
    default:
      return "EPROTO";
  }
}
