import fs from "node:fs";
import path from "node:path";
import { codeOf, toHostError, wrapped } from "./errors.ts";
import { type AppendFile, type FileStatus, type Files, HostError } from "./host.ts";

const { O_RDONLY, O_WRONLY, O_NONBLOCK, O_TRUNC, O_APPEND, O_CREAT } = fs.constants;

/** One read(2). /dev/kmsg refuses (EINVAL) a buffer smaller than a record: 8 KiB in Linux 6.x. */
const READ_BYTES = 65_536;

/** Far above the largest file we read (/sys/kernel/btf/vmlinux: 6 MB in Debian 12's 6.1): a bound, not a promise. */
const LARGEST_READ_BYTES = 256 * 1024 * 1024;

/** How often one whole read of /dev/kmsg may be overrun (EPIPE) before it is given up. */
const LARGEST_OVERRUN_COUNT = 100;

const scratch = Buffer.allocUnsafe(READ_BYTES);

export function createFiles(): Files {
  return {
    readText: (file) => wrapped(file, () => readWhole(file).toString("utf8")),
    readBytes: (file) => wrapped(file, () => readWhole(file)),
    tryReadText,
    writeText: (file, text) => wrapped(file, () => writeOnce(file, O_WRONLY | O_TRUNC, text)),
    appendText: (file, text) => wrapped(file, () => writeOnce(file, O_WRONLY | O_APPEND, text)),
    replace: (file, content) => wrapped(file, () => replaceDurably(file, content)),
    replaceNow: (file, text, keep) => wrapped(file, () => replaceNow(file, text, keep)),
    replaceBehind: (file, text, keep, done) => {
      replaceBehind(file, text, keep).then(
        () => done(null),
        (error: unknown) => done(toHostError(error, file)),
      );
    },
    rename: (from, to) => wrapped(from, () => fs.renameSync(from, to)),
    openAppend: (file) => wrapped(file, () => openAppend(file)),
    list: (directory) => wrapped(directory, () => list(directory)),
    inode,
    status: (file) => wrapped(file, () => status(file)),
    readLink: (file) => wrapped(file, () => fs.readlinkSync(file)),
    exists,
    makeDirectory: (directory, recursive) =>
      wrapped(directory, () => (recursive ? makeTree(directory) : fs.mkdirSync(directory))),
    removeDirectory: (directory) => wrapped(directory, () => fs.rmdirSync(directory)),
    remove: (file) => wrapped(file, () => fs.unlinkSync(file)),
    restrictMode: (file, mode) => wrapped(file, () => restrictMode(file, mode)),
    watch,
  };
}

function tryReadText(file: string): string | null {
  try {
    return readWhole(file).toString("utf8");
  } catch {
    return null;
  }
}

/**
 * Reads until the kernel says "no more". The size in stat(2) is not asked: it is 0 in /proc and 4096 in /sys.
 * O_NONBLOCK makes a read of a stream (/dev/kmsg, trace_pipe) return what is there now instead of hanging the program.
 */
function readWhole(file: string): Buffer {
  const descriptor = fs.openSync(file, O_RDONLY | O_NONBLOCK);
  try {
    return readAllFrom(descriptor, file);
  } finally {
    fs.closeSync(descriptor);
  }
}

function readAllFrom(descriptor: number, file: string): Buffer {
  const parts: Buffer[] = [];
  let total = 0;
  let overruns = 0;
  for (;;) {
    const count = readSome(descriptor);
    if (count === "overrun" && ++overruns < LARGEST_OVERRUN_COUNT) continue;
    if (count === "overrun" || count === 0) return joined(parts, total);
    total += count;
    if (total > LARGEST_READ_BYTES) throw new HostError("EFBIG", file, `${file} is too large`);
    parts.push(Buffer.from(scratch.subarray(0, count)));
  }
}

/** One read into `scratch`: its length, 0 at the end, or that /dev/kmsg went on without us (its records are numbered). */
function readSome(descriptor: number): number | "overrun" {
  try {
    return fs.readSync(descriptor, scratch, 0, READ_BYTES, null);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EAGAIN") return 0;
    if (code === "EPIPE") return "overrun";
    throw error;
  }
}

function joined(parts: readonly Buffer[], total: number): Buffer {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts, total);
}

/**
 * One open, one write(2): a control file takes each write as one command, and a command cut in two is another command.
 * No O_CREAT: a mistyped control file must fail, not become a file.
 */
function writeOnce(file: string, flags: number, text: string): void {
  const descriptor = fs.openSync(file, flags);
  try {
    writeFully(descriptor, file, Buffer.from(text, "utf8"));
  } finally {
    fs.closeSync(descriptor);
  }
}

/** An empty text needs no write(2): opening with O_TRUNC has already done it (tracefs clears `set_event` so). */
function writeFully(descriptor: number, file: string, bytes: Buffer): void {
  if (bytes.length === 0) return;
  const written = fs.writeSync(descriptor, bytes);
  if (written !== bytes.length) {
    throw new HostError("EIO", file, `${file}: wrote ${written} of ${bytes.length} bytes`);
  }
}

/** A full disk takes a part; what it says to the rest is the reason. */
function writeWhole(descriptor: number, content: string | Uint8Array): void {
  const bytes = Buffer.from(content);
  let written = 0;
  while (written < bytes.length) written += fs.writeSync(descriptor, bytes, written);
}

/** The temporary name is always the same, so that crashes cannot pile up files. One writer a path. */
function replaceDurably(file: string, content: string | Uint8Array): void {
  const temporary = `${file}.new`;
  writeTemporary(temporary, content, true);
  fs.renameSync(temporary, file);
  syncDirectory(path.dirname(file));
}

function replaceNow(file: string, text: string, keep: string): void {
  const temporary = `${file}.new`;
  writeTemporary(temporary, text, false);
  if (fs.existsSync(file)) fs.renameSync(file, keep);
  fs.renameSync(temporary, file);
}

function writeTemporary(temporary: string, content: string | Uint8Array, sync: boolean): void {
  const descriptor = fs.openSync(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o644);
  try {
    writeWhole(descriptor, content);
    if (sync) fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Every step in the thread pool: with a busy disk an fsync took up to 1.4 s. */
async function replaceBehind(file: string, text: string, keep: string): Promise<void> {
  const temporary = `${file}.new`;
  const handle = await fs.promises.open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o644);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.promises.rename(file, keep).catch(unlessMissing);
  await fs.promises.rename(temporary, file);
  const directory = await fs.promises.open(path.dirname(file), O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function unlessMissing(error: unknown): void {
  if (codeOf(error) !== "ENOENT") throw error;
}

/** Without it the rename itself may be lost with the power. */
function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, O_RDONLY);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function openAppend(file: string): AppendFile {
  const descriptor = fs.openSync(file, O_WRONLY | O_CREAT | O_APPEND, 0o644);
  let open = true;
  return {
    append: (text) => wrapped(file, () => writeWhole(descriptor, text)),
    isThere: () => wrapped(file, () => isSame(descriptor, file)),
    close: () => {
      // A second close would hit whatever file has got the number since.
      if (!open) return;
      open = false;
      wrapped(file, () => fs.closeSync(descriptor));
    },
  };
}

function isSame(descriptor: number, file: string): boolean {
  const named = fs.statSync(file, { throwIfNoEntry: false });
  const open = fs.fstatSync(descriptor);
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}

/** `mkdir -p`. Node's own (24.21) never returns on /proc, where mkdir(2) says ENOENT although the parent is there. */
function makeTree(directory: string): void {
  try {
    fs.mkdirSync(directory);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST" && fs.statSync(directory).isDirectory()) return;
    const parent = path.dirname(directory);
    if (code !== "ENOENT" || exists(parent)) throw error;
    makeTree(parent);
    fs.mkdirSync(directory);
  }
}

/**
 * stat(2), not access(2) as `fs.existsSync`: access(2) asks for the real user alone and leaves out what capabilities allow
 * (CAP_DAC_OVERRIDE for tracefs, which is open to root only).
 */
function exists(file: string): boolean {
  try {
    return fs.statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

/** Symbolic links are left alone: what they lead to may be anybody's. */
function restrictMode(file: string, mode: number): void {
  const found = fs.lstatSync(file);
  if (found.isSymbolicLink()) return;
  const now = found.mode & 0o7777;
  if ((now & mode) !== now) fs.chmodSync(file, now & mode);
}

function list(directory: string): { name: string; directory: boolean }[] {
  const entries = fs.readdirSync(directory, { withFileTypes: true });
  return entries.map((entry) => ({ name: entry.name, directory: entry.isDirectory() }));
}

function status(file: string): FileStatus | null {
  const found = fs.lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined) return null;
  const kind = found.isDirectory() ? "directory" : found.isSymbolicLink() ? "link" : "other";
  return { uid: found.uid, gid: found.gid, kind, mode: found.mode & 0o7777 };
}

function inode(file: string): number | null {
  return wrapped(file, () => fs.statSync(file, { throwIfNoEntry: false })?.ino ?? null);
}

function watch(
  file: string,
  changed: (name: string | null) => void,
  failed: (error: HostError) => void,
): () => void {
  const watcher = wrapped(file, () => fs.watch(file));
  watcher.on("change", (_kind, name) => changed(typeof name === "string" ? name : null));
  watcher.on("error", (error) => failed(toHostError(error, file)));
  return () => watcher.close();
}
