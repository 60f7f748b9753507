import fs from "node:fs";
import { isatty } from "node:tty";
import zlib from "node:zlib";
import { toHostError, wrapped } from "./errors.ts";
import { HostError } from "./host.ts";

/** Texts of any size for a program that reads them once, from the first byte to the last. Failures are `HostError`s. */
export interface Texts {
  look(path: string): TextFacts;
  /** Paths that match a pattern with `*`, `?`, `**`, `[…]`, sorted. */
  expand(pattern: string): readonly string[];
  /**
   * The bytes in pieces of at most some MiB, unpacked where the first bytes say gzip or zstd; `null` is standard input.
   * A packed file that is damaged gives what it has, then fails with `EBADMSG`.
   */
  read(path: string | null): AsyncIterable<Uint8Array>;
  /** Whether somebody sits at standard input. */
  readonly typed: boolean;
}

export interface TextFacts {
  readonly kind: "file" | "directory" | "device" | "pipe";
  readonly bytes: number;
  /** When it was last written, wall µs since 1970. */
  readonly modifiedMicroseconds: number;
}

/** Large enough that a piece costs nothing beside its bytes, small enough for a cache of the processor. */
const PIECE_BYTES = 1 << 18;
const STANDARD_INPUT = 0;

export function createTexts(): Texts {
  return {
    look: (path) => wrapped(path, () => look(path)),
    expand: (pattern) => fs.globSync(pattern).toSorted(),
    read: (path) => read(path),
    get typed() {
      return isatty(STANDARD_INPUT);
    },
  };
}

function look(path: string): TextFacts {
  const status = fs.statSync(path);
  return {
    kind: kindOf(status),
    bytes: status.size,
    modifiedMicroseconds: Math.floor(status.mtimeMs * 1000),
  };
}

function kindOf(status: fs.Stats): TextFacts["kind"] {
  if (status.isDirectory()) return "directory";
  if (status.isFile()) return "file";
  return status.isFIFO() || status.isSocket() ? "pipe" : "device";
}

async function* read(path: string | null): AsyncGenerator<Uint8Array> {
  const name = path ?? "standard input";
  const file = fs.createReadStream(path ?? "", {
    highWaterMark: PIECE_BYTES,
    ...(path === null && { fd: STANDARD_INPUT, autoClose: false }),
  });
  try {
    yield* unpacked(file);
  } catch (error) {
    throw asHostError(error, name);
  } finally {
    file.destroy();
  }
}

/** The first bytes decide, not the name: `kern.log.1.gz` comes through a pipe, too. */
async function* unpacked(file: fs.ReadStream): AsyncGenerator<Uint8Array> {
  const pieces: AsyncIterator<Buffer> = file[Symbol.asyncIterator]();
  const first = await pieces.next();
  if (first.done === true) return;
  const unpacker = unpackerFor(first.value);
  const rest = restOf(first.value, pieces);
  if (unpacker === null) yield* rest;
  else yield* throughUnpacker(rest, unpacker);
}

async function* restOf(first: Buffer, pieces: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) return;
    yield next.value;
  }
}

type Unpacker = zlib.Gunzip | zlib.ZstdDecompress;

function unpackerFor(start: Buffer): Unpacker | null {
  const options = { chunkSize: PIECE_BYTES };
  if (start[0] === 0x1f && start[1] === 0x8b) return zlib.createGunzip(options);
  return start.length >= 4 && start.readUInt32LE(0) === 0xfd2fb528
    ? zlib.createZstdDecompress(options)
    : null;
}

async function* throughUnpacker(
  packed: AsyncIterable<Buffer>,
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
async function feed(packed: AsyncIterable<Buffer>, unpacker: Unpacker): Promise<void> {
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
    unpacker.once("drain", resolve);
    unpacker.once("close", resolve);
  });
}

function asHostError(error: unknown, name: string): HostError {
  const known = toHostError(error, name);
  return /^(?:Z_|ZSTD_|ERR_Z)/.test(known.code)
    ? new HostError("EBADMSG", name, `damaged or cut off (${known.message})`)
    : known;
}
