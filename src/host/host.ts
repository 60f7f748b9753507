import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Faults } from "./faults.ts";

/**
 * The door: everything the program does to the machine goes through here, so that tests can stand in front of it.
 * Nothing outside `host/` opens a file, a socket or a process, or asks for the time.
 */
export interface Host {
  readonly clock: Clock;
  readonly files: Files;
  readonly processes: Processes;
  readonly http: HttpClient;
  readonly grpc: Grpc;
  readonly faults: Faults;
  /** uid of this process, 0 when root. */
  readonly uid: number;
  readonly hostname: string;
}

export interface Clock {
  /** CLOCK_MONOTONIC in µs since boot: comparable with trace_clock `mono`. */
  monotonicMicroseconds(): number;
  /** Wall clock in µs since 1970. */
  wallMicroseconds(): number;
  /** Calls back after `milliseconds`; the returned function cancels. Does not keep the process alive by itself. */
  after(milliseconds: number, call: () => void): () => void;
}

/** Why a file operation failed, as the kernel names it. */
export class HostError extends Error {
  /** `ENOENT`, `EACCES`, `EPERM`, `ENODEV`, `EBUSY`, … */
  readonly code: string;
  readonly path: string;
  constructor(code: string, path: string, message: string) {
    super(message);
    this.name = "HostError";
    this.code = code;
    this.path = path;
  }
}

/** All paths absolute. Failing calls throw `HostError`. Reads are meant for /proc, /sys and small state files. */
export interface Files {
  /** The whole file as text (invalid UTF-8 becomes U+FFFD). */
  readText(path: string): string;
  readBytes(path: string): Uint8Array;
  /** The whole file, or `null` if it cannot be read for any reason: for /proc files of processes that may be gone. */
  tryReadText(path: string): string | null;
  /** Replaces the contents of an existing file (O_TRUNC, never created), in one write(2): for control files. */
  writeText(path: string, text: string): void;
  /** Adds to an existing file (O_APPEND, never created), in one write(2): `kprobe_events` wants it. */
  appendText(path: string, text: string): void;
  /** Durable replacement: temporary file, fsync, rename, fsync of the directory. Waits for the disk. */
  replace(path: string, content: string | Uint8Array): void;
  /**
   * The same without waiting for the disk: a killed process loses nothing, but a machine that loses power may. What stood
   * there before is kept under the name `keep`.
   */
  replaceNow(path: string, text: string, keep: string): void;
  /** Durable like `replace`, but other threads wait for the disk; `done` is called once, later or at once. */
  replaceBehind(
    path: string,
    text: string,
    keep: string,
    done: (error: HostError | null) => void,
  ): void;
  /** Replaces what has the new name. */
  rename(from: string, to: string): void;
  /** An append-only file; each `append` is one write(2), so a killed process loses nothing it appended. */
  openAppend(path: string): AppendFile;
  /** Names in a directory with their type; order unspecified. */
  list(path: string): readonly { readonly name: string; readonly directory: boolean }[];
  /** Inode number, or `null` when there is no such path. */
  inode(path: string): number | null;
  /** Of the path itself, links not followed; `null` when there is no such path. */
  status(path: string): FileStatus | null;
  /** Where a symbolic link leads, as it is written in it. */
  readLink(path: string): string;
  /** Whether there is such a path, as far as this process may look. */
  exists(path: string): boolean;
  makeDirectory(path: string, recursive: boolean): void;
  removeDirectory(path: string): void;
  remove(path: string): void;
  /** Takes away the permissions that are not in `mode`; gives none. */
  restrictMode(path: string, mode: number): void;
  /**
   * inotify on a directory or file; calls back with the changed name. Throws `HostError` when the watch cannot be set.
   * The returned function stops watching; until then the watch keeps the process alive, as a stream does.
   */
  watch(
    path: string,
    changed: (name: string | null) => void,
    failed: (error: HostError) => void,
  ): () => void;
}

export interface FileStatus {
  readonly uid: number;
  readonly gid: number;
  readonly kind: "directory" | "link" | "other";
  /** Permissions (07777). */
  readonly mode: number;
}

export interface AppendFile {
  append(text: string): void;
  /** False when the path names another file by now, or none: what is appended is lost. */
  isThere(): boolean;
  close(): void;
}

export interface Processes {
  /**
   * Streams a file that can only be read by blocking (/dev/kmsg, trace_pipe) through a child `cat` that dies with us.
   * A blocking read inside Node would hang process.exit() for ever (docs/decisions).
   */
  stream(path: string, handler: StreamHandler): StreamHandle;
  /**
   * The same for one reader at a time: `lock`, a file or directory, is locked (flock) as long as the file is read, also
   * against readers of other mount and pid namespaces. When another process has the lock it ends with `LOCKED_STATUS`. Calls
   * `opened` once the lock is held and the file is open. Where `flock` is missing nothing is locked.
   */
  streamLocked(path: string, lock: string, handler: LockedStreamHandler): StreamHandle;
  /** Runs a program (absolute name or on PATH) and streams its standard output in the same way. */
  streamCommand(command: string, args: readonly string[], handler: StreamHandler): StreamHandle;
  /**
   * Asks the scheduler to run this thread and children started from now on before others (`nice`, -20 … 19). False when
   * that needs a privilege we lack. A victim's /proc entry is gone within milliseconds of the kill.
   */
  raisePriority(nice: number): boolean;
  /** Permissions that files made from now on, also by SQLite, never have (umask). */
  withholdPermissions(mask: number): void;
  /** Whether a process with this pid exists. */
  isAlive(pid: number): boolean;
}

export interface StreamHandler {
  /** Bytes in order, not cut at lines. */
  data(chunk: Uint8Array): void;
  /** The reader ended, with what it wrote to standard error (first 400 characters): EPIPE on a kmsg overrun, EBUSY, … */
  end(status: { readonly exitCode: number | null; readonly message: string }): void;
}

export interface LockedStreamHandler extends StreamHandler {
  opened(): void;
}

/** Exit code of a reader whose lock another process holds. */
export const LOCKED_STATUS = 75;

export interface StreamHandle {
  /** Ends the child; `end` is still called. Idempotent. */
  close(): void;
}

/** HTTP over Unix sockets, as container runtimes speak it. Failures are `HostError`s about the socket. */
export interface HttpClient {
  /** One request and its whole answer. Rejects with `ETIMEDOUT`, `EMSGSIZE`, `ENOENT`, `EACCES`, `ECONNREFUSED`, … */
  get(request: {
    readonly socketPath: string;
    readonly target: string;
    readonly timeoutMilliseconds: number;
    /** A longer body is refused. */
    readonly maxBytes: number;
    readonly signal?: AbortSignal;
  }): Promise<{ readonly status: number; readonly body: string }>;
  /**
   * One request whose answer is a JSON list, element by element as they come: it costs no more memory than the longest. Elements of more
   * than `maxElementBytes` are left out and counted. `isList`: there was a list, and it came to its end.
   */
  list(
    request: {
      readonly socketPath: string;
      readonly target: string;
      readonly timeoutMilliseconds: number;
      /** A longer answer is refused. */
      readonly maxBytes: number;
      readonly maxElementBytes: number;
      readonly signal?: AbortSignal;
    },
    element: (text: string) => void,
  ): Promise<{ readonly status: number; readonly isList: boolean; readonly dropped: number }>;
  /**
   * Follows an answer without an end, line by line (invalid UTF-8 becomes U+FFFD). A daemon that says more than a machine full of
   * containers can have to say is not followed on (`EMSGSIZE`).
   */
  lines(
    request: {
      readonly socketPath: string;
      readonly target: string;
      /** Time until the answer must have begun. */
      readonly connectMilliseconds: number;
      readonly maxLineBytes: number;
    },
    handler: LineHandler,
  ): StreamHandle;
}

export interface LineHandler {
  /** The daemon answered with 200: what happens from now on comes as lines. */
  opened(): void;
  line(text: string): void;
  /** A line beyond the bound was left out. */
  dropped(): void;
  /** Called once: the daemon closed it or `close()` was called (`null`), or why it broke. */
  end(error: HostError | null): void;
}

/** gRPC over Unix sockets. The methods are the generated ones of `protocol/`. */
export interface Grpc {
  /** Loads what it needs and gives a connection that is made with the first call. */
  connect(socketPath: string): Promise<GrpcConnection>;
}

/** Failures are `HostError`s about the socket: `ENOENT` (also: not found there), `ECONNREFUSED`, `ETIMEDOUT`, `ENOSYS`, … */
export interface GrpcConnection {
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    input: MessageInitShape<I>,
    options: GrpcCallOptions & { readonly timeoutMilliseconds: number },
  ): Promise<MessageShape<O>>;
  /**
   * Messages as they come, at most 1 MiB each; asked for once iteration begins. Without a deadline it follows until it breaks or is
   * aborted. A daemon that says more than a node full of containers can have to say is not followed on (`EMSGSIZE`).
   */
  follow<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    input: MessageInitShape<I>,
    options: GrpcCallOptions,
  ): AsyncIterable<MessageShape<O>>;
  /**
   * The elements of an answer that is a list, `{ repeated ELEMENT x = 1; }`, as they come. At most 16 MiB; `dropped` is called for an
   * element of more than 512 KiB, which is left out.
   */
  elements<I extends DescMessage, O extends DescMessage, E extends DescMessage>(
    method: DescMethodUnary<I, O>,
    element: E,
    input: MessageInitShape<I>,
    options: GrpcCallOptions & { readonly timeoutMilliseconds: number },
    dropped: () => void,
  ): AsyncIterable<MessageShape<E>>;
  /** A message that came packed in another (google.protobuf.Any); `null` when the bytes are none of that kind. */
  decode<M extends DescMessage>(schema: M, bytes: Uint8Array): MessageShape<M> | null;
  /** Breaks what is under way. Idempotent. */
  close(): void;
}

export interface GrpcCallOptions {
  readonly timeoutMilliseconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}
