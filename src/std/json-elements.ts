import { ByteGatherer } from "./byte-gatherer.ts";

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const SPACE = 0x20;

/**
 * The elements of a JSON list, each as soon as it is there, so that a list of any length costs no more memory than its longest element.
 * What the elements are is for a parser to say; an element of more than `limitBytes` is left out and counted.
 */
export class JsonElements {
  readonly #limit: number;
  readonly #least: number;
  readonly #gathered = new ByteGatherer();
  #depth = 0;
  #inText = false;
  #escaped = false;
  #isOver = false;
  #state: "before" | "inside" | "after" | "no-list" = "before";
  #dropped = 0;

  /** Elements of less than `leastBytes` are none; they are left out and counted too. */
  constructor(limitBytes: number, leastBytes = 1) {
    this.#limit = limitBytes;
    this.#least = leastBytes;
  }

  /** Whether the list has come to its end. */
  get isWhole(): boolean {
    return this.#state === "after";
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** The elements that these bytes complete. */
  read(chunk: Uint8Array): Uint8Array[] {
    const elements: Uint8Array[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const end = this.#step(chunk[at] ?? 0);
      if (end === "begin") start = at + 1;
      if (end !== "element" && end !== "last") continue;
      this.#add(chunk.subarray(start, at));
      this.#finish(elements);
      start = at + 1;
    }
    if (this.#state === "inside") this.#add(chunk.subarray(start));
    return elements;
  }

  #step(byte: number): "begin" | "element" | "last" | null {
    if (this.#inText) return this.#text(byte);
    if (this.#state !== "inside") return this.#outside(byte);
    if (byte === QUOTE) this.#inText = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) this.#depth += 1;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) return this.#close();
    else if (byte === COMMA && this.#depth === 1) return "element";
    return null;
  }

  #text(byte: number): null {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inText = false;
    return null;
  }

  #outside(byte: number): "begin" | null {
    if (this.#state !== "before" || byte <= SPACE) return null;
    this.#state = byte === OPEN_LIST ? "inside" : "no-list";
    this.#depth = 1;
    return this.#state === "inside" ? "begin" : null;
  }

  #close(): "last" | null {
    this.#depth -= 1;
    if (this.#depth > 0) return null;
    this.#state = "after";
    return "last";
  }

  #add(piece: Uint8Array): void {
    if (this.#gathered.length + piece.length > this.#limit) this.#isOver = true;
    if (this.#isOver) this.#gathered.take();
    else this.#gathered.add(piece);
  }

  #finish(elements: Uint8Array[]): void {
    const isShort = this.#gathered.length > 0 && this.#gathered.length < this.#least;
    const element = this.#gathered.take();
    if (this.#isOver || isShort) this.#dropped += 1;
    else if (element.some((byte) => byte > SPACE)) elements.push(element);
    this.#isOver = false;
  }
}
