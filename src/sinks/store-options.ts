import type { Clock } from "../host/host.ts";
import type { Retention } from "./store-retention.ts";

export interface StoreOptions {
  /** The database file; its directory must exist. */
  readonly path: string;
  readonly clock: Clock;
  readonly retention?: Retention;
  /** Records that may wait for the disk; more are dropped and counted. */
  readonly queueLimit?: number;
  /** Something an operator should read: a damaged file was moved aside, the disk is full, it works again. */
  report(sentence: string): void;
}
