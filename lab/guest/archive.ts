// The `newc` cpio format, which the kernel unpacks as an initial file system (Documentation/driver-api/early-userspace/
// buffer-format.rst): "070701", thirteen 8-digit hex fields, the name and a zero byte, padding to 4, data, padding to 4.
//
//   070701 0000002D 000081A4 00000000 … 00000009 00000000 "job/hello\0" …

const HEADER_BYTES = 110;
const DIRECTORY = 0o040755;
const REGULAR = 0o100644;
const EXECUTABLE = 0o100755;
const SYMLINK = 0o120777;

/** A path of the archive, without a leading slash, and what is there. */
export type Entry =
  | { readonly path: string; readonly kind: "directory" }
  | { readonly path: string; readonly kind: "link"; readonly target: string }
  | {
      readonly path: string;
      readonly kind: "file";
      readonly data: Uint8Array;
      readonly executable: boolean;
    };

/** Writes one archive; parent directories are added before their content. */
export function writeArchive(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = [];
  let inode = 1;
  for (const entry of withParents(entries)) {
    const [mode, data] = content(entry);
    parts.push(...record(entry.path, inode++, mode, data));
  }
  parts.push(...record("TRAILER!!!", 0, 0, Buffer.alloc(0)));
  return Buffer.concat(parts);
}

/** Reads an archive that a guest sent; stops at its end mark or at the first thing it does not understand. */
export function readArchive(bytes: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length && bytes.toString("latin1", at, at + 6) === "070701") {
    const field = (index: number) =>
      Number.parseInt(bytes.toString("latin1", at + 6 + 8 * index, at + 14 + 8 * index), 16);
    const nameEnd = at + HEADER_BYTES + field(11) - 1;
    const start = align(nameEnd + 1);
    const end = start + field(6);
    if (!(end <= bytes.length)) break;
    const name = bytes.toString("utf8", at + HEADER_BYTES, nameEnd);
    if (name === "TRAILER!!!") break;
    if ((field(1) & 0o170000) === 0o100000) files.set(name, bytes.subarray(start, end));
    at = align(end);
  }
  return files;
}

function content(entry: Entry): [number, Buffer] {
  switch (entry.kind) {
    case "directory":
      return [DIRECTORY, Buffer.alloc(0)];
    case "link":
      return [SYMLINK, Buffer.from(entry.target)];
    case "file":
      return [entry.executable ? EXECUTABLE : REGULAR, Buffer.from(entry.data)];
  }
}

function withParents(entries: readonly Entry[]): Entry[] {
  const seen = new Set<string>();
  const all: Entry[] = [];
  for (const entry of entries) {
    const steps = entry.path.split("/");
    for (let depth = 1; depth < steps.length; depth++) {
      const path = steps.slice(0, depth).join("/");
      if (!seen.has(path)) all.push({ path, kind: "directory" });
      seen.add(path);
    }
    if (!seen.has(entry.path)) all.push(entry);
    seen.add(entry.path);
  }
  return all;
}

function record(path: string, inode: number, mode: number, data: Buffer): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const links = mode === DIRECTORY ? 2 : 1;
  const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((value) => value.toString(16).padStart(8, "0")).join("")}`;
  const head = Buffer.concat([Buffer.from(header, "latin1"), name]);
  return [head, padding(head.length), data, padding(data.length)];
}

function align(offset: number): number {
  return (offset + 3) & ~3;
}

function padding(length: number): Buffer {
  return Buffer.alloc(align(length) - length);
}
