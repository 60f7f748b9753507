import type { StreamHandle } from "../host/host.ts";
import { KernelLogFeed } from "./kernel-log-feed.ts";
import { kmsgInput, type LogDecoder, type LogInput } from "./kernel-log-input.ts";
import { journalInput } from "./kernel-log-journal.ts";
import { type LogMark, writeMark } from "./kernel-log-mark.ts";
import type { Source, SourceContext, SourceEnd, SourceOptions } from "./source.ts";

/**
 * The kernel's log is never empty, and its oldest record is given at once: a file that gives nothing for so long is another
 * one (a console, a pipe), though it can be opened.
 */
const FIRST_RECORD_MILLISECONDS = 10_000;
/** Where we could write no mark of our own: a log that is silent this long has come to its end, the backlog is read. */
const SILENCE_MILLISECONDS = 50;
/** Our mark was overwritten before we read it, or thrown away by the kernel, when it has not come this long after the first record. */
const MARK_MILLISECONDS = 1000;
/** journalctl looks through all its files before the first line; a user who may not read them gets an empty journal. */
const JOURNAL_MILLISECONDS = 2000;
const REOPEN_MILLISECONDS = 10;
const RETRY_MILLISECONDS = 200;
const MAX_FAILURES = 5;
/** A child that cannot die (state D) does not keep us from ending. */
const CLOSE_MILLISECONDS = 1000;

/** The kernel's own words, from /dev/kmsg; from the journal if that is closed to us. */
export function createKernelLogSource(options: SourceOptions): Source {
  const path = `${options.devRoot}/kmsg`;
  return {
    name: "kernel-log",
    async run(context) {
      const { history } = options;
      const mark = writeMark(context.host, path, options.procRoot);
      const end = await new LogWatch(context, kmsgInput(path), { history, mark }).run();
      if (end.kind !== "closed") return end;
      const unavailable = explainClosed(path, end.message);
      const second = await new LogWatch(context, journalInput, { history, mark: null }).run();
      return second.kind === "stopped" ? second : unavailable;
    },
  };
}

/** `closed`: it never gave anything; `message` is the reader's last words. */
type WatchEnd = SourceEnd | { readonly kind: "closed"; readonly message: string };

interface WatchOptions {
  readonly history: boolean;
  readonly mark: LogMark | null;
}

class LogWatch {
  readonly #context: SourceContext;
  readonly #input: LogInput;
  readonly #feed: KernelLogFeed;
  readonly #ended = Promise.withResolvers<WatchEnd>();
  #decoder: LogDecoder;
  #handle: StreamHandle | null = null;
  #up = false;
  /** The last sequence number when the log was last opened. */
  #openedAt: number | null = null;
  #failures = 0;
  #cancelTimer = () => {};
  #cancelSilence = () => {};
  #cancelMark: (() => void) | null = null;

  constructor(context: SourceContext, input: LogInput, options: WatchOptions) {
    this.#context = context;
    this.#input = input;
    this.#feed = new KernelLogFeed(context, { log: input.log, ...options });
    this.#decoder = input.decoder();
  }

  async run(): Promise<WatchEnd> {
    const { stop } = this.#context;
    if (stop.aborted) return { kind: "stopped" };
    const close = () => this.#close();
    stop.addEventListener("abort", close, { once: true });
    try {
      this.#open();
      return await this.#ended.promise;
    } finally {
      stop.removeEventListener("abort", close);
      this.#cancelTimer();
      this.#cancelSilence();
      this.#cancelMark?.();
      this.#feed.close();
      this.#handle?.close();
    }
  }

  #open(): void {
    if (this.#context.stop.aborted) return;
    this.#decoder = this.#input.decoder();
    this.#openedAt = this.#feed.lastSequence;
    const { host } = this.#context;
    this.#handle = this.#input.open(host, {
      data: (chunk) => this.#data(chunk),
      end: (status) => this.#end(status.message),
    });
    if (this.#up) return;
    const patience =
      this.#input.log === "journal" ? JOURNAL_MILLISECONDS : FIRST_RECORD_MILLISECONDS;
    this.#after(patience, () => this.#giveUp(patience));
  }

  #data(chunk: Uint8Array): void {
    const dropped = this.#decoder.dropped;
    const records = this.#decoder.push(chunk);
    const unreadable = this.#decoder.dropped - dropped;
    if (unreadable > 0) this.#context.lost(unreadable, "kernel log lines that cannot be read");
    if (records.length === 0) return;
    this.#markUp();
    this.#feed.take(records);
    if (!this.#feed.live) this.#awaitSilence();
  }

  #awaitSilence(): void {
    const { clock } = this.#context.host;
    const becomeLive = () => this.#feed.becomeLive();
    if (this.#feed.awaitsMark) {
      // A log that is never silent does not put it off.
      this.#cancelMark ??= clock.after(MARK_MILLISECONDS, becomeLive);
      return;
    }
    this.#cancelSilence();
    this.#cancelSilence = clock.after(SILENCE_MILLISECONDS, becomeLive);
  }

  #markUp(): void {
    if (this.#up) return;
    this.#up = true;
    this.#cancelTimer();
    this.#context.up(this.#input.note);
  }

  /** It can be opened, and nothing comes out of it. */
  #giveUp(patience: number): void {
    const message = `it gave no kernel record in ${patience / 1000} s`;
    this.#ended.resolve({ kind: "closed", message });
  }

  /** EPIPE: the log ran over the reader. Opened again it begins at its oldest record, and the gap shows in the numbers. */
  #end(message: string): void {
    this.#handle = null;
    if (this.#context.stop.aborted) this.#ended.resolve({ kind: "stopped" });
    else if (!this.#up) this.#ended.resolve({ kind: "closed", message });
    else this.#reopen(message);
  }

  #reopen(message: string): void {
    const cameFurther = this.#feed.lastSequence !== this.#openedAt;
    this.#failures = cameFurther ? 0 : this.#failures + 1;
    if (this.#failures < MAX_FAILURES) {
      this.#after(cameFurther ? REOPEN_MILLISECONDS : RETRY_MILLISECONDS, () => this.#open());
      return;
    }
    const words = message === "" ? "the reader ended without a word" : message;
    this.#ended.reject(new Error(`the kernel log can no longer be read: ${words}`));
  }

  #close(): void {
    this.#cancelTimer();
    if (this.#handle === null) this.#ended.resolve({ kind: "stopped" });
    this.#handle?.close();
    this.#after(CLOSE_MILLISECONDS, () => this.#ended.resolve({ kind: "stopped" }));
  }

  #after(milliseconds: number, call: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#context.host.clock.after(milliseconds, call);
  }
}

/** Why the log is closed to us, and what opens it, by the reader's error message. */
function explainClosed(path: string, message: string): SourceEnd {
  const [reason, remedy] = closedFor(path, message);
  return { kind: "unavailable", reason, remedy };
}

function closedFor(path: string, message: string): [string, string] {
  if (/No such file|No such device|ENOENT|ENXIO|ENODEV/.test(message)) {
    return [
      `there is no ${path} here`,
      "Start the container with --device /dev/kmsg --cap-add SYSLOG (Kubernetes: privileged, /dev/kmsg as a hostPath).",
    ];
  }
  if (/not permitted|EPERM/.test(message)) {
    return [
      `${path} may not be opened (kernel.dmesg_restrict=1 without CAP_SYSLOG, or the container's device list)`,
      "Run as root, grant CAP_SYSLOG, or set sysctl kernel.dmesg_restrict=0; in a container add --device /dev/kmsg --cap-add SYSLOG.",
    ];
  }
  if (/Permission denied|EACCES/.test(message)) {
    return [`${path} is not readable for this user`, "Run as root, or make the file readable."];
  }
  if (message === "") {
    return [
      `${path} is empty: it is not the kernel's log`,
      "Give the container the real one with --device /dev/kmsg --cap-add SYSLOG.",
    ];
  }
  if (message.startsWith("it gave no kernel record")) {
    return [
      `${path} is not the kernel's log: ${message}`,
      "Give the container the real one with --device /dev/kmsg --cap-add SYSLOG.",
    ];
  }
  return [`${path} cannot be read: ${message}`, "Run as root with --device /dev/kmsg."];
}
