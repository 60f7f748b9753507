/** The library: the nouns, the parsers and the ledger, for programs that want to see OOM kills themselves. Re-exports only. */
export { type Kill, Ledger, type LedgerOptions, type LedgerState } from "./ledger/ledger.ts";
export type * from "./model/observation.ts";
export type * from "./model/record.ts";
export type * from "./model/report.ts";
export { formatInstant, formatWall, type Instant, SECOND } from "./model/time.ts";
export { KernelLogAssembler, type KernelLogEvent } from "./parse/kernel-log-assembler.ts";
export { type KernelLogLine, parseKernelLogLine } from "./parse/kernel-log-lines.ts";
export { KmsgDecoder, type KmsgRecord, parseKmsgLine } from "./parse/kmsg-record.ts";
export { ReportReader } from "./parse/report-reader.ts";
