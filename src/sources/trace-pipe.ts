import type { Host } from "../host/host.ts";

/** How a reading of trace_pipe ended. */
export type PipeEnd =
  | { readonly kind: "stopped" }
  /** The reader ended by itself, with its last words. */
  | { readonly kind: "failed"; readonly message: string };

/** A reader left behind by a killed agent dies with the next event; another program's reader stays. */
const BUSY_MILLISECONDS = 2000;
const RETRY_MILLISECONDS = 100;
/** A reader that has not failed by now is reading. */
const SETTLED_MILLISECONDS = 60;
const FAREWELL_MILLISECONDS = 500;

export interface PipeHandler {
  data(chunk: Uint8Array): void;
  /** The pipe is being read. */
  up(): void;
}

/** Reads a trace_pipe until `stop`. One reader has it at a time: while it is busy, it is tried again for 2 s. */
export async function readTracePipe(
  host: Host,
  path: string,
  stop: AbortSignal,
  handler: PipeHandler,
): Promise<PipeEnd> {
  const deadline = host.clock.monotonicMicroseconds() + BUSY_MILLISECONDS * 1000;
  for (;;) {
    const end = await readOnce(host, path, stop, handler);
    const busy = end.kind === "failed" && /busy/i.test(end.message);
    if (!busy || host.clock.monotonicMicroseconds() > deadline) return end;
    await new Promise<void>((resolve) => host.clock.after(RETRY_MILLISECONDS, resolve));
  }
}

function readOnce(
  host: Host,
  path: string,
  stop: AbortSignal,
  handler: PipeHandler,
): Promise<PipeEnd> {
  if (stop.aborted) return Promise.resolve({ kind: "stopped" });
  return new Promise((resolve) => {
    const settled = once(handler.up);
    const cancelSettled = host.clock.after(SETTLED_MILLISECONDS, settled);
    let cancelFarewell = () => {};
    const finish = (end: PipeEnd) => {
      cancelSettled();
      cancelFarewell();
      stop.removeEventListener("abort", close);
      resolve(end);
    };
    const handle = host.processes.stream(path, {
      data: (chunk) => {
        settled();
        handler.data(chunk);
      },
      end: ({ message, exitCode }) => {
        if (stop.aborted) finish({ kind: "stopped" });
        else finish({ kind: "failed", message: message || `the reader ended (${exitCode})` });
      },
    });
    const close = () => {
      handle.close();
      cancelFarewell = host.clock.after(FAREWELL_MILLISECONDS, () => finish({ kind: "stopped" }));
    };
    stop.addEventListener("abort", close, { once: true });
  });
}

function once(call: () => void): () => void {
  let called = false;
  return () => {
    if (!called) call();
    called = true;
  };
}
