import type { KillRecord } from "../src/model/record.ts";
import { formatInstant, type Instant, SECOND } from "../src/model/time.ts";
import type { Random } from "../src/std/random.ts";
import type { Plan } from "./containers-plan.ts";
import { wallOf } from "./containers-tell.ts";
import { MILLISECOND, type TrueKill, type World } from "./containers-world.ts";

/** What the ledger says of a kill at `tellAt`: opened first, then amended. */
export interface Evidence {
  readonly kill: TrueKill;
  readonly tellAt: number;
  readonly record: KillRecord;
  readonly at: Instant;
}

/** The ledger's records of all kills, as the kernel's sources would have them made; the ledger itself has its own twin. */
export function evidenceOf(world: World, plan: Plan, random: Random): readonly Evidence[] {
  return world.kills
    .flatMap((kill) => evidenceOfKill(kill, plan, random))
    .toSorted((one, other) => one.tellAt - other.tellAt);
}

function evidenceOfKill(kill: TrueKill, plan: Plan, random: Random): Evidence[] {
  const soon = kill.at + random.int(1, 60) * MILLISECOND;
  const { path } = kill.container;
  const exact = instantOf(kill.at, 0);
  if (!random.chance(plan.vague)) {
    return [
      {
        kill,
        tellAt: soon,
        at: exact,
        record: recordOf(kill, exact, kill.pid, path, limitOf(kill, random)),
      },
    ];
  }
  return vagueEvidence(kill, random, soon);
}

function vagueEvidence(kill: TrueKill, random: Random, soon: number): Evidence[] {
  const { path, pod } = kill.container;
  const exact = instantOf(kill.at, 0);
  const late = kill.at + random.int(200, 2_000) * MILLISECOND;
  const spread = random.int(1, 500) * MILLISECOND;
  const vague = instantOf(kill.at + random.int(-spread, spread), spread);
  switch (random.int(0, 4)) {
    case 0: {
      // The cgroup becomes known a little later.
      const opened = {
        kill,
        tellAt: soon,
        at: exact,
        record: recordOf(kill, exact, kill.pid, null, null),
      };
      return [
        opened,
        { ...opened, tellAt: late, record: recordOf(kill, exact, kill.pid, path, null) },
      ];
    }
    case 1:
      return [
        { kill, tellAt: soon, at: exact, record: recordOf(kill, exact, kill.pid, null, null) },
      ];
    case 2:
      return [{ kill, tellAt: late, at: vague, record: recordOf(kill, vague, null, path, null) }];
    case 3: {
      const above = pod === null ? "/" : `/kubepods/burstable/pod${pod.uid}`;
      return [{ kill, tellAt: late, at: vague, record: recordOf(kill, vague, null, above, null) }];
    }
    default:
      return [{ kill, tellAt: late, at: vague, record: recordOf(kill, vague, null, null, null) }];
  }
}

function limitOf({ container }: TrueKill, random: Random): string | null {
  const pod = container.pod === null ? "/x.slice" : `/kubepods/burstable/pod${container.pod.uid}`;
  return random.pick([null, container.path, pod]);
}

function instantOf(at: number, uncertaintyMicroseconds: number): Instant {
  return { monotonicMicroseconds: at, wallMicroseconds: wallOf(at), uncertaintyMicroseconds };
}

function recordOf(
  { id }: TrueKill,
  at: Instant,
  pid: number | null,
  path: string | null,
  limit: string | null,
): KillRecord {
  return {
    type: "kill",
    id,
    revision: 0,
    at: formatInstant(at),
    node: "simulated",
    bootId: "0f6e1c2d-0000-4000-8000-000000000000",
    incident: { id, group: false },
    victim: {
      pid,
      tid: pid,
      comm: "hog",
      uid: 0,
      oomScoreAdj: 0,
      main: null,
      totalVmBytes: null,
      anonRssBytes: null,
      fileRssBytes: null,
      shmemRssBytes: null,
      pageTableBytes: null,
    },
    trigger: null,
    outcome: "killed",
    limit: { scope: null, constraint: "memcg", cgroup: limit, bytes: 20 * SECOND },
    cgroup: { path, id: null, version: 2 },
    container: null,
    pod: null,
    unit: null,
    visibility: "unknown",
    attribution: path === null ? "none" : "exact",
    basis: path === null ? null : "proc",
    recovered: false,
    witnesses: ["tracefs"],
  };
}
