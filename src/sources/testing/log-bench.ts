import assert from "node:assert/strict";
import { createFaults } from "../../host/faults.ts";
import { createFiles } from "../../host/files.ts";
import { createGrpc } from "../../host/grpc.ts";
import { type Host, HostError, type StreamHandler } from "../../host/host.ts";
import { createHttpClient } from "../../host/unix-http.ts";
import type { KillObservation, Observation } from "../../model/observation.ts";
import { createKernelLogSource } from "../kernel-log.ts";
import {
  DEFAULT_SOURCE_OPTIONS,
  isOfKernel,
  type SourceContext,
  type SourceEnd,
} from "../source.ts";

/** A host whose log says what the test makes it say, at the time the test says it is. */
export class LogBench {
  readonly emitted: Observation[] = [];
  readonly ups: string[] = [];
  readonly losses: number[] = [];
  readonly commands: string[] = [];
  readonly streams: StreamHandler[] = [];
  readonly #stop = new AbortController();
  readonly #timers = new Map<() => void, number>();
  cursor: string | null = null;
  savedCursor: string | null = null;
  monotonic = 20_000_000;
  /** Whether the log may be written to. */
  writable = false;
  /** Our own line, as it comes back from the log. */
  mark: string | null = null;

  start(history = true): Promise<SourceEnd> {
    const source = createKernelLogSource({ ...DEFAULT_SOURCE_OPTIONS, history });
    return source.run(this.#context());
  }

  /** The reader that was opened last. */
  get stream(): StreamHandler {
    const last = this.streams.at(-1);
    assert.ok(last, "a reader was opened");
    return last;
  }

  get kills(): KillObservation[] {
    return this.emitted.filter((observation) => observation.kind === "kill");
  }

  say(lines: readonly string[]): void {
    this.stream.data(new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")));
  }

  /** Lets time pass and calls what is due. */
  pass(milliseconds: number): void {
    this.monotonic += milliseconds * 1000;
    for (const [call, due] of [...this.#timers]) {
      if (due > this.monotonic) continue;
      this.#timers.delete(call);
      call();
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  #context(): SourceContext {
    return {
      host: this.#host(),
      stop: this.#stop.signal,
      bootId: "b",
      cursor: this.cursor,
      emit: (observations) => void this.emitted.push(...observations.filter(isOfKernel)),
      up: (note) => this.ups.push(note),
      lost: (count) => this.losses.push(count),
      disturbed: () => {},
      saveCursor: (cursor) => {
        this.savedCursor = cursor;
      },
    };
  }

  #append(path: string, text: string): void {
    if (!this.writable) throw new HostError("EACCES", path, "permission denied");
    this.mark = text.replace(/^<6>(.*)\n$/, "$1");
    // The call itself takes 40 µs.
    this.monotonic += 40;
  }

  #host(): Host {
    const open = (handler: StreamHandler) => {
      this.streams.push(handler);
      return { close: () => handler.end({ exitCode: null, message: "" }) };
    };
    return {
      uid: 0,
      hostname: "bench",
      clock: {
        monotonicMicroseconds: () => this.monotonic,
        wallMicroseconds: () => 1_700_000_000_000_000 + this.monotonic,
        after: (milliseconds, call) => {
          const wrapped = () => call();
          this.#timers.set(wrapped, this.monotonic + milliseconds * 1000);
          return () => this.#timers.delete(wrapped);
        },
      },
      files: { ...createFiles(), appendText: (path, text) => this.#append(path, text) },
      http: createHttpClient(),
      grpc: createGrpc(),
      faults: createFaults(),
      processes: {
        stream: (path, handler) => {
          this.commands.push(path);
          return open(handler);
        },
        streamLocked: () => assert.fail("the log needs no lock"),
        streamCommand: (command, _words, handler) => {
          this.commands.push(command);
          return open(handler);
        },
        raisePriority: () => false,
        withholdPermissions: () => undefined,
        isAlive: () => false,
      },
    };
  }
}

export const sequencesOf = (bench: LogBench): number[] =>
  bench.kills.map((kill) => Number(kill.sequence));
