import type { Host, StreamHandle, StreamHandler } from "../host/host.ts";
import { KmsgDecoder, type KmsgRecord } from "../parse/kmsg-record.ts";
import type { LogName } from "./kernel-log-cursor.ts";

/** A way to the kernel's log. */
export interface LogInput {
  readonly log: LogName;
  /** What an operator should know about reading it this way, or "". */
  readonly note: string;
  open(host: Host, handler: StreamHandler): StreamHandle;
  /** A new one each time the log is opened. */
  decoder(): LogDecoder;
}

export interface LogDecoder {
  push(chunk: Uint8Array): KmsgRecord[];
  /** Lines it could not read. */
  readonly dropped: number;
}

export function kmsgInput(path: string): LogInput {
  return {
    log: "kmsg",
    note: "",
    open: (host, handler) => host.processes.stream(path, handler),
    decoder: () => new KmsgDecoder(),
  };
}
