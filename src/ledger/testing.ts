import type {
  Book,
  CgroupStamp,
  CounterObservation,
  KillObservation,
  KillSourceName,
} from "../model/observation.ts";
import type { KillRecord } from "../model/record.ts";
import { type Instant, SECOND } from "../model/time.ts";
import { Ledger, type LedgerState } from "./ledger.ts";

/** Evidence for tests of the ledger, by hand. Times are seconds of the boot. */
export const BOOT_ID = "7f3a91c2-5b7e-4a52-9d9b-0c5f4f2d1e11";
const WALL_AT_BOOT = 1_795_000_000 * SECOND;

export function at(seconds: number, uncertaintyMicroseconds = 0): Instant {
  const monotonicMicroseconds = Math.round(seconds * SECOND);
  return {
    monotonicMicroseconds,
    wallMicroseconds: WALL_AT_BOOT + monotonicMicroseconds,
    uncertaintyMicroseconds,
  };
}

/** Every source's clock: the trace is exact, the log is not. */
const UNCERTAINTY = { "kernel-log": 250_000, tracefs: 1_000, probe: 1_000 } as const;

export function kill(
  source: KillSourceName,
  seconds: number,
  tid: number,
  more: Partial<KillObservation> = {},
): KillObservation {
  const sequence = more.sequence ?? `${source}-${seconds}-${tid}`;
  return {
    kind: "kill",
    source,
    sequence,
    at: at(seconds, UNCERTAINTY[source]),
    victim: {
      pid: null,
      tid,
      comm: "hog",
      uid: 0,
      oomScoreAdj: 0,
      totalVmBytes: null,
      anonRssBytes: null,
      fileRssBytes: null,
      shmemRssBytes: null,
      pageTableBytes: null,
    },
    cgroup: null,
    limit: null,
    trigger: null,
    incident: sequence,
    group: false,
    repeat: false,
    counted: true,
    ...more,
  };
}

export function stamp(path: string, basis: CgroupStamp["basis"] = "proc"): CgroupStamp {
  return { path, id: null, version: 1, basis };
}

export function count(
  book: "node" | (Partial<Extract<Book, { kind: "cgroup" }>> & { path: string }),
  interval: readonly [since: number | null, at: number],
  oomKill: number,
  more: Partial<CounterObservation> = {},
): CounterObservation {
  const [since, seconds] = interval;
  const identity: Book =
    book === "node"
      ? { kind: "node" }
      : { kind: "cgroup", id: null, version: 1, extent: "local", limitBytes: null, ...book };
  return {
    kind: "counter",
    source: book === "node" ? "vmstat" : "cgroup",
    sequence: `${JSON.stringify(book)}-${seconds}`,
    at: at(seconds),
    book: identity,
    since: since === null ? null : at(since),
    oomKill,
    oomGroupKill: null,
    baseline: false,
    final: false,
    ...more,
  };
}

export function newLedger(startedAtSeconds = 0, state: LedgerState | null = null): Ledger {
  const startedAt = startedAtSeconds * SECOND;
  return new Ledger({ bootId: BOOT_ID, node: "worker-3", startedAt }, state);
}

/** A ledger whose book of the node was opened at 0 kills. */
export function withNode(): Ledger {
  const ledger = newLedger();
  ledger.observe(count("node", [null, 1], 0, { baseline: true }));
  return ledger;
}

/** All that is told from second `from` until second `until`, in the order told. */
export function settle(ledger: Ledger, from: number, until: number): KillRecord[] {
  const told: KillRecord[] = [];
  for (let tenth = from * 10; tenth <= until * 10; tenth++) {
    ledger.advance((tenth * SECOND) / 10);
    told.push(...ledger.take());
  }
  return told;
}
