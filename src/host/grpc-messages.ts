import { ByteGatherer } from "../std/byte-gatherer.ts";

/** What a daemon sent is not gRPC, or is more than we take. */
export class WireError extends Error {
  readonly code: "EPROTO" | "EMSGSIZE";
  constructor(code: WireError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** A reader of gRPC messages: gives what a chunk of bytes completes. */
export interface MessageReader {
  read(chunk: Uint8Array): Uint8Array[];
  /** Whether a message has begun and not ended. */
  readonly isInside: boolean;
}

/** One byte that says "compressed", four with the length (network byte order). */
const PREFIX_BYTES = 5;

/** Takes the prefixes of gRPC messages away: `payload` is told each piece of a message, `end` its end. */
class Prefixes {
  readonly #limit: number;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #have = 0;
  #left = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isInside(): boolean {
    return this.#have > 0;
  }

  read(chunk: Uint8Array, payload: (piece: Uint8Array) => void, end: () => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#have < PREFIX_BYTES) this.#prefix[this.#have++] = chunk[at++] ?? 0;
      if (this.#have < PREFIX_BYTES) continue;
      if (this.#left === 0) this.#left = this.#length();
      const piece = chunk.subarray(at, at + this.#left);
      at += piece.length;
      this.#left -= piece.length;
      if (piece.length > 0) payload(piece);
      if (this.#left > 0) return;
      this.#have = 0;
      end();
    }
  }

  #length(): number {
    if (this.#prefix[0] !== 0) throw new WireError("EPROTO", "a compressed message");
    const length = new DataView(this.#prefix.buffer).getUint32(1);
    if (length <= this.#limit) return length;
    throw new WireError(
      "EMSGSIZE",
      `a message of ${length} bytes, of which ${this.#limit} are read`,
    );
  }
}

/** Whole messages. */
export function wholeMessages(limitBytes: number): MessageReader {
  const prefixes = new Prefixes(limitBytes);
  const gathered = new ByteGatherer();
  return {
    get isInside() {
      return prefixes.isInside;
    },
    read: (chunk) => {
      const messages: Uint8Array[] = [];
      const add = (piece: Uint8Array) => gathered.add(piece);
      prefixes.read(chunk, add, () => messages.push(gathered.take()));
      return messages;
    },
  };
}

/**
 * The elements of a message `{ repeated X items = 1; }`, each as soon as it is there, so that a list of any length costs no more
 * memory than its longest element. Longer elements than `elementBytes` are left out and `dropped` is called.
 */
export function elementsOfList(
  limits: { readonly messageBytes: number; readonly elementBytes: number },
  dropped: () => void,
): MessageReader {
  const prefixes = new Prefixes(limits.messageBytes);
  const fields = new FirstFields(limits.elementBytes, dropped);
  return {
    get isInside() {
      return prefixes.isInside;
    },
    read: (chunk) => {
      const elements: Uint8Array[] = [];
      prefixes.read(
        chunk,
        (piece) => fields.read(piece, elements),
        () => fields.end(),
      );
      return elements;
    },
  };
}

/** Wire types of protocol buffers (protobuf.dev/programming-guides/encoding). */
const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];
const LONGEST_VARINT = 10;

type Step = "tag" | "varint" | "length" | "value" | "skip";

/** Field 1 of a message, piece by piece; all others are skipped. */
class FirstFields {
  readonly #limit: number;
  readonly #dropped: () => void;
  readonly #gathered = new ByteGatherer();
  #step: Step = "tag";
  #isFirst = false;
  #varint = 0;
  #varintBytes = 0;
  #left = 0;

  constructor(limit: number, dropped: () => void) {
    this.#limit = limit;
    this.#dropped = dropped;
  }

  read(piece: Uint8Array, elements: Uint8Array[]): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#step === "value" || this.#step === "skip") {
        const part = piece.subarray(at, at + this.#left);
        at += part.length;
        this.#left -= part.length;
        if (this.#step === "value") this.#gathered.add(part);
        if (this.#left === 0) this.#finish(elements);
      } else {
        this.#number(piece[at++] ?? 0, elements);
      }
    }
  }

  end(): void {
    if (this.#step !== "tag" || this.#varintBytes > 0) {
      throw new WireError("EPROTO", "a message that ends within a field");
    }
  }

  #number(byte: number, elements: Uint8Array[]): void {
    this.#varint += (byte & 0x7f) * 2 ** (7 * this.#varintBytes);
    this.#varintBytes += 1;
    if (this.#varintBytes > LONGEST_VARINT)
      throw new WireError("EPROTO", "a number without an end");
    if (byte >= 0x80) return;
    const value = this.#varint;
    this.#varint = 0;
    this.#varintBytes = 0;
    if (this.#step === "tag") this.#tag(value);
    else if (this.#step === "varint") this.#step = "tag";
    else this.#value(value, elements);
  }

  #tag(tag: number): void {
    const type = tag % 8;
    this.#isFirst = type === BYTES && tag - type === 8;
    if (type === VARINT) this.#step = "varint";
    else if (type === BYTES) this.#step = "length";
    else if (type === FIXED64 || type === FIXED32) this.#skip(type === FIXED64 ? 8 : 4);
    else throw new WireError("EPROTO", `a field of wire type ${type}`);
  }

  #value(length: number, elements: Uint8Array[]): void {
    const isTaken = this.#isFirst && length <= this.#limit;
    if (this.#isFirst && !isTaken) this.#dropped();
    this.#skip(length);
    if (isTaken) this.#step = "value";
    if (length === 0) this.#finish(elements);
  }

  #skip(length: number): void {
    this.#left = length;
    this.#step = "skip";
  }

  #finish(elements: Uint8Array[]): void {
    if (this.#step === "value") elements.push(this.#gathered.take());
    this.#step = "tag";
  }
}
