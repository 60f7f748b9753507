import fs from "node:fs";
import { isatty } from "node:tty";
import { toHostError, wrapped } from "./errors.ts";
import { HostError } from "./host.ts";
import { PIECE_BYTES, unpacked } from "./unpack.ts";

/** Texts of any size for a program that reads them once, from the first byte to the last. Failures are `HostError`s. */
export interface Texts {
  look(path: string): TextFacts;
  /** Paths that match a pattern with `*`, `?`, `**`, `[…]`, sorted. */
  expand(pattern: string): readonly string[];
  /**
   * The bytes in pieces of at most some MiB, unpacked where the first bytes say gzip or zstd, also one in the other;
   * `null` is standard input. A packed file that is damaged gives what it has, then fails with `EBADMSG`, and one that
   * unpacks to far more than any log does, with `EFBIG`.
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
    yield* unpacked(file, name);
  } catch (error) {
    throw asHostError(error, name);
  } finally {
    file.destroy();
  }
}

function asHostError(error: unknown, name: string): HostError {
  const known = toHostError(error, name);
  return /^(?:Z_|ZSTD_|ERR_Z)/.test(known.code)
    ? new HostError("EBADMSG", name, `damaged or cut off (${known.message})`)
    : known;
}
