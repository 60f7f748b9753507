/**
 * /sys/kernel/btf/vmlinux: the kernel's own description of its types, enough of it to find where a member lies.
 *
 *     9f eb 01 00 18 00 00 00 …   magic 0xeb9f, version 1, flags, header length; then the places of types and strings
 *
 * Each type: name offset, info (members in bits 0–15, kind in 24–28, flag in 31), size or type; then what its kind adds.
 * Source: Documentation/bpf/btf.rst, include/uapi/linux/btf.h; read on 6.1 and 6.18.
 */
export interface Btf {
  /** Offset in bytes of a member of a struct, also inside nameless structs and unions; `null` when there is none. */
  memberOffset(struct: string, member: string): number | null;
  /** The value of an enumerator of a named enum; `null` when there is none. */
  enumValue(name: string, enumerator: string): number | null;
}

const MAGIC = 0xeb9f;
const HEADER_BYTES = 24;
const TYPE_BYTES = 12;

const ENUM = 6;
const ENUM64 = 19;
const STRUCT = 4;
const UNION = 5;
/** typedef, volatile, const, restrict, type tag: names for another type. */
const ALIASES = new Set([8, 9, 10, 11, 18]);

/** Bytes after a type, by kind: some for each member, some at once. `undefined` is a kind unknown to us. */
const EXTRA: Readonly<Record<number, { readonly each: number; readonly once: number }>> = {
  1: { each: 0, once: 4 },
  2: { each: 0, once: 0 },
  3: { each: 0, once: 12 },
  4: { each: 12, once: 0 },
  5: { each: 12, once: 0 },
  6: { each: 8, once: 0 },
  7: { each: 0, once: 0 },
  8: { each: 0, once: 0 },
  9: { each: 0, once: 0 },
  10: { each: 0, once: 0 },
  11: { each: 0, once: 0 },
  12: { each: 0, once: 0 },
  13: { each: 8, once: 0 },
  14: { each: 0, once: 4 },
  15: { each: 12, once: 0 },
  16: { each: 0, once: 0 },
  17: { each: 0, once: 4 },
  18: { each: 0, once: 0 },
  19: { each: 12, once: 0 },
};

/** How deep nameless members lie in one another at most. */
const DEPTH_LIMIT = 8;

/** Reads the table of types; `null` when the bytes are not BTF of this machine's byte order or are cut. */
export function parseBtf(bytes: Uint8Array): Btf | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < HEADER_BYTES || view.getUint16(0, true) !== MAGIC) return null;
  const header = view.getUint32(4, true);
  const types = { start: header + view.getUint32(8, true), length: view.getUint32(12, true) };
  const strings = { start: header + view.getUint32(16, true), length: view.getUint32(20, true) };
  if (Math.max(types.start + types.length, strings.start + strings.length) > view.byteLength) {
    return null;
  }
  const places = typePlaces(view, types.start, types.start + types.length);
  return places === null ? null : new Reader(bytes, view, strings, places);
}

/** Where each type begins; type 0 is void. */
function typePlaces(view: DataView, start: number, end: number): Uint32Array | null {
  const places = new Uint32Array(Math.floor((end - start) / TYPE_BYTES) + 1);
  let count = 1;
  for (let place = start; place + TYPE_BYTES <= end; count++) {
    places[count] = place;
    const info = view.getUint32(place + 4, true);
    const extra = EXTRA[kindOf(info)];
    // A kind of a later kernel: its length is unknown, so all that follows is lost.
    if (extra === undefined) return null;
    place += TYPE_BYTES + extra.once + extra.each * (info & 0xffff);
    if (place > end) return null;
  }
  return places.subarray(0, count);
}

function kindOf(info: number): number {
  return (info >>> 24) & 0x1f;
}

class Reader implements Btf {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #strings: { readonly start: number; readonly length: number };
  readonly #places: Uint32Array;

  constructor(
    bytes: Uint8Array,
    view: DataView,
    strings: { readonly start: number; readonly length: number },
    places: Uint32Array,
  ) {
    this.#bytes = bytes;
    this.#view = view;
    this.#strings = strings;
    this.#places = places;
  }

  memberOffset(struct: string, member: string): number | null {
    const place = this.#find(struct, [STRUCT]);
    const bits = place === null ? null : this.#memberBits(place, member, 0);
    return bits === null || bits % 8 !== 0 ? null : bits / 8;
  }

  enumValue(name: string, enumerator: string): number | null {
    const place = this.#find(name, [ENUM, ENUM64]);
    if (place === null) return null;
    const info = this.#u32(place + 4);
    const size = kindOf(info) === ENUM ? 8 : 12;
    for (let index = 0; index < (info & 0xffff); index++) {
      const entry = place + TYPE_BYTES + index * size;
      if (this.#isNamed(this.#u32(entry), enumerator)) return this.#view.getInt32(entry + 4, true);
    }
    return null;
  }

  /** The first type of that name and kind that has members. */
  #find(name: string, kinds: readonly number[]): number | null {
    for (let id = 1; id < this.#places.length; id++) {
      const place = this.#places[id] ?? 0;
      const info = this.#u32(place + 4);
      if (
        kinds.includes(kindOf(info)) &&
        (info & 0xffff) > 0 &&
        this.#isNamed(this.#u32(place), name)
      ) {
        return place;
      }
    }
    return null;
  }

  #memberBits(place: number, member: string, depth: number): number | null {
    const info = this.#u32(place + 4);
    const packed = info >>> 31 === 1;
    for (let index = 0; index < (info & 0xffff); index++) {
      const entry = place + TYPE_BYTES + index * 12;
      const stored = this.#u32(entry + 8);
      const offset = packed ? stored & 0xffffff : stored;
      const name = this.#u32(entry);
      if (this.#isNamed(name, member)) return offset;
      if (name !== 0 || depth >= DEPTH_LIMIT) continue;
      const inner = this.#aggregate(this.#u32(entry + 4));
      const found = inner === null ? null : this.#memberBits(inner, member, depth + 1);
      if (found !== null) return offset + found;
    }
    return null;
  }

  /** The struct or union that a type is, seen through its other names. */
  #aggregate(id: number): number | null {
    let type = id;
    for (let step = 0; step < DEPTH_LIMIT; step++) {
      const place = this.#places[type];
      if (place === undefined || type === 0) return null;
      const kind = kindOf(this.#u32(place + 4));
      if (kind === STRUCT || kind === UNION) return place;
      if (!ALIASES.has(kind)) return null;
      type = this.#u32(place + 8);
    }
    return null;
  }

  #isNamed(offset: number, name: string): boolean {
    if (offset + name.length >= this.#strings.length) return false;
    const start = this.#strings.start + offset;
    for (let index = 0; index < name.length; index++) {
      if (this.#bytes[start + index] !== name.charCodeAt(index)) return false;
    }
    return this.#bytes[start + name.length] === 0;
  }

  #u32(place: number): number {
    return this.#view.getUint32(place, true);
  }
}
