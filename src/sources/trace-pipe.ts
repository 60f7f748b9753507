import { type Host, LOCKED_STATUS } from "../host/host.ts";
import { type Holder, holderOf } from "./trace-holder.ts";

/** How a reading of trace_pipe ended. */
export type PipeEnd =
  | { readonly kind: "stopped" }
  /** Another process reads this instance; `null` when its pid cannot be seen from here. */
  | { readonly kind: "held"; readonly by: Holder | null }
  /** The reader ended by itself, with its last words. */
  | { readonly kind: "failed"; readonly message: string };

/** A reader left behind by a killed agent dies with the next event; another program's reader stays. */
const BUSY_MILLISECONDS = 2000;
const RETRY_MILLISECONDS = 100;
const FAREWELL_MILLISECONDS = 500;

export interface PipeHandler {
  data(chunk: Uint8Array): void;
  /** The pipe is open and ours alone. */
  up(): void;
}

/**
 * Reads the trace_pipe of an instance until `stop`, and holds a lock on the instance as long: it goes with the reader, and
 * the reader with us. One reader has the instance at a time: while it is held, it is tried again for 2 s.
 */
export async function readTracePipe(
  host: Host,
  instance: string,
  stop: AbortSignal,
  handler: PipeHandler,
): Promise<PipeEnd> {
  const deadline = host.clock.monotonicMicroseconds() + BUSY_MILLISECONDS * 1000;
  for (;;) {
    const end = await readOnce(host, instance, stop, handler);
    const busy = end.kind === "held" || (end.kind === "failed" && /busy/i.test(end.message));
    if (!busy || host.clock.monotonicMicroseconds() > deadline) return end;
    await new Promise<void>((resolve) => host.clock.after(RETRY_MILLISECONDS, resolve));
  }
}

function readOnce(
  host: Host,
  instance: string,
  stop: AbortSignal,
  handler: PipeHandler,
): Promise<PipeEnd> {
  if (stop.aborted) return Promise.resolve({ kind: "stopped" });
  return new Promise((resolve) => {
    let cancelFarewell = () => {};
    const finish = (end: PipeEnd) => {
      cancelFarewell();
      stop.removeEventListener("abort", close);
      resolve(end);
    };
    const handle = host.processes.streamLocked(`${instance}/trace_pipe`, instance, {
      opened: () => handler.up(),
      data: (chunk) => handler.data(chunk),
      end: ({ message, exitCode }) => {
        if (stop.aborted) finish({ kind: "stopped" });
        else if (exitCode === LOCKED_STATUS) finish({ kind: "held", by: holderOf(host, instance) });
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
