import os from "node:os";
import { createClock } from "./clock.ts";
import { createFaults } from "./faults.ts";
import { createFiles } from "./files.ts";
import { createGrpc } from "./grpc.ts";
import type { Host } from "./host.ts";
import { createProcesses } from "./processes.ts";
import { createHttpClient } from "./unix-http.ts";

/** The machine this program runs on. */
export function createHost(): Host {
  return {
    clock: createClock(),
    files: createFiles(),
    processes: createProcesses(),
    http: createHttpClient(),
    grpc: createGrpc(),
    faults: createFaults(),
    uid: process.getuid?.() ?? -1,
    hostname: os.hostname(),
  };
}
