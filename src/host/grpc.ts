import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import { Budget } from "../std/budget.ts";
import { answers } from "./grpc-call.ts";
import { elementsOfList, type MessageReader, wholeMessages } from "./grpc-messages.ts";
import type { GrpcSession } from "./grpc-session.ts";
import { type Grpc, type GrpcCallOptions, type GrpcConnection, HostError } from "./host.ts";

export type { Timestamp } from "@bufbuild/protobuf/wkt";

/**
 * gRPC over Unix sockets (docs/decisions/0004-runtime-sockets.md). The libraries cost memory, so they are loaded at the
 * first connection: where no runtime speaks gRPC nobody pays.
 */
export function createGrpc(): Grpc {
  return { connect };
}

/** One message: a container with its labels, of which Kubernetes allows 256 KiB. Larger ones are refused. */
const MESSAGE_BYTES_LIMIT = 2 ** 20;
const ELEMENT_BYTES_LIMIT = 2 ** 19;
/** A whole list. A daemon's own limit is 16 MiB (containerd, config `max_send_message_size`). */
const LIST_BYTES_LIMIT = 16 * 2 ** 20;
/** Messages of a stream: a full node that starts all it has tells some 10,000 at once. */
const MESSAGES_AT_ONCE = 20_000;
const MESSAGES_PER_SECOND = 1_000;

/** Fields we did not vendor would otherwise be kept with each message: they are most of a container. */
const READING = { readUnknownFields: false };

async function connect(socketPath: string): Promise<GrpcConnection> {
  const { create, fromBinary, toBinary } = await import("@bufbuild/protobuf");
  const { GrpcSession } = await import("./grpc-session.ts");
  const decode = <M extends DescMessage>(schema: M, bytes: Uint8Array): MessageShape<M> | null => {
    try {
      return fromBinary(schema, bytes, READING);
    } catch {
      return null;
    }
  };
  const decodeSurely = <M extends DescMessage>(schema: M, bytes: Uint8Array): MessageShape<M> => {
    const message = decode(schema, bytes);
    if (message !== null) return message;
    throw new HostError("EPROTO", socketPath, `no ${schema.name}`);
  };
  const session = lazySession(socketPath, () => new GrpcSession(socketPath));
  const ask = (
    method: DescMethod,
    input: Uint8Array,
    options: GrpcCallOptions,
    reader: MessageReader,
  ) => {
    const path = `/${method.parent.typeName}/${method.name}`;
    return answers(session.open(), { socketPath, method: path, input, options }, reader);
  };
  return {
    call: async (method, input, options) => {
      const bytes = toBinary(method.input, create(method.input, input));
      const reader = wholeMessages(MESSAGE_BYTES_LIMIT);
      let answer: MessageShape<typeof method.output> | null = null;
      for await (const message of ask(method, bytes, options, reader)) {
        answer ??= decodeSurely(method.output, message);
      }
      if (answer !== null) return answer;
      throw new HostError("EPROTO", socketPath, `no answer to ${method.name}`);
    },
    elements: async function* (method, element, input, options, dropped) {
      const bytes = toBinary(method.input, create(method.input, input));
      const limits = { messageBytes: LIST_BYTES_LIMIT, elementBytes: ELEMENT_BYTES_LIMIT };
      const reader = elementsOfList(limits, dropped);
      for await (const one of ask(method, bytes, options, reader)) {
        yield decodeSurely(element, one);
      }
    },
    follow: async function* (method, input, options) {
      const bytes = toBinary(method.input, create(method.input, input));
      const budget = new Budget(MESSAGES_AT_ONCE, MESSAGES_PER_SECOND);
      const reader = wholeMessages(MESSAGE_BYTES_LIMIT);
      for await (const message of ask(method, bytes, options, reader)) {
        if (!budget.spend(1, performance.now())) throw tooMany(socketPath);
        yield decodeSurely(method.output, message);
      }
    },
    decode,
    close: session.close,
  };
}

function tooMany(socketPath: string): HostError {
  const message = `more than ${MESSAGES_AT_ONCE} messages at once and ${MESSAGES_PER_SECOND} a second`;
  return new HostError("EMSGSIZE", socketPath, message);
}

/** Made with the first call, and anew with the first after it broke. */
function lazySession(socketPath: string, make: () => GrpcSession) {
  let session: GrpcSession | null = null;
  let closed = false;
  return {
    open: (): GrpcSession => {
      if (closed) throw new HostError("ECANCELED", socketPath, "the connection was closed");
      if (session === null || session.reason !== null) session = make();
      return session;
    },
    close: (): void => {
      closed = true;
      session?.close();
    },
  };
}
