import zlib from "node:zlib";
import { HostError } from "./host.ts";

/** Large enough that a piece costs nothing beside its bytes, small enough for a cache of the processor. */
export const PIECE_BYTES = 1 << 18;
/** A log that was rotated twice is packed twice; who packs more often hides something. */
const MOST_LAYERS = 3;
/** Logs pack to a tenth, a log that repeats one line to a hundredth; zeros to a thousandth (`gzip -1`: 229), with zstd to far less. */
const LARGEST_RATIO = 150;
/** What unpacks to less is read, whatever it was: a second of work. */
const ALWAYS_READ_BYTES = 256 << 20;

/**
 * Bytes, unpacked where the first ones say gzip or zstd: they decide, not the name, as `kern.log.1.gz` comes through a pipe,
 * too. Throws a `HostError` `EFBIG` for what unpacks without end, in layers or in bytes.
 */
export async function* unpacked(
  packed: AsyncIterable<Uint8Array>,
  name: string,
): AsyncGenerator<Uint8Array> {
  const taken = { bytes: 0 };
  const bound = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of packed) {
      taken.bytes += piece.length;
      yield piece;
    }
  };
  let given = 0;
  for await (const piece of layer(bound(), name, 0)) {
    given += piece.length;
    if (given > ALWAYS_READ_BYTES && given > LARGEST_RATIO * taken.bytes)
      throw new HostError("EFBIG", name, TOO_MUCH);
    yield piece;
  }
}

const TOO_MUCH = `it unpacks to more than ${LARGEST_RATIO} times its size, which no log does; what it had until there is told`;
const TOO_DEEP = `it is packed more than ${MOST_LAYERS} times; unpack it first`;

async function* layer(
  packed: AsyncIterable<Uint8Array>,
  name: string,
  depth: number,
): AsyncGenerator<Uint8Array> {
  const pieces = packed[Symbol.asyncIterator]();
  const first = await pieces.next();
  if (first.done === true) return;
  const unpacker = unpackerFor(first.value);
  const rest = restOf(first.value, pieces);
  if (unpacker === null) yield* rest;
  else if (depth === MOST_LAYERS) throw new HostError("EFBIG", name, TOO_DEEP);
  else yield* layer(throughUnpacker(rest, unpacker), name, depth + 1);
}

async function* restOf(
  first: Uint8Array,
  pieces: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield first;
    for (;;) {
      const next = await pieces.next();
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await pieces.return?.();
  }
}

type Unpacker = zlib.Gunzip | zlib.ZstdDecompress;

function unpackerFor(start: Uint8Array): Unpacker | null {
  const options = { chunkSize: PIECE_BYTES };
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return zlib.createGunzip(options);
  return a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd
    ? zlib.createZstdDecompress(options)
    : null;
}

async function* throughUnpacker(
  packed: AsyncIterable<Uint8Array>,
  unpacker: Unpacker,
): AsyncGenerator<Uint8Array> {
  const feeding = feed(packed, unpacker);
  try {
    for await (const piece of unpacker) yield piece;
  } finally {
    unpacker.destroy();
    await feeding;
  }
}

/** A fault of the file becomes one of the unpacker, which its reader hears of. */
async function feed(packed: AsyncIterable<Uint8Array>, unpacker: Unpacker): Promise<void> {
  try {
    for await (const piece of packed) {
      if (unpacker.destroyed) return;
      if (!unpacker.write(piece)) await room(unpacker);
    }
    unpacker.end();
  } catch (error) {
    unpacker.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

function room(unpacker: Unpacker): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      unpacker.off("drain", go).off("close", go);
      resolve();
    };
    unpacker.once("drain", go).once("close", go);
  });
}
