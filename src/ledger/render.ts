import { NOBODY } from "../model/identity.ts";
import { SOURCE_NAMES, type SourceName } from "../model/observation.ts";
import type { KillRecord, VictimRecord } from "../model/record.ts";
import { formatInstant } from "../model/time.ts";
import { isDuplicate, type Kill, recordedBasis } from "./kill.ts";

export interface RenderContext {
  readonly bootId: string;
  readonly node: string;
  readonly incident: string;
  readonly limit: Omit<KillRecord["limit"], "scope">;
  readonly version: 1 | 2 | null;
}

const UNKNOWN_VICTIM: VictimRecord = {
  pid: null,
  tid: null,
  comm: null,
  uid: null,
  oomScoreAdj: null,
  main: null,
  totalVmBytes: null,
  anonRssBytes: null,
  fileRssBytes: null,
  shmemRssBytes: null,
  pageTableBytes: null,
};

export function renderKill(kill: Kill, context: RenderContext): KillRecord {
  const identity = kill.identity ?? NOBODY;
  return {
    type: "kill",
    id: kill.id,
    revision: kill.revision,
    at: formatInstant(kill.at),
    node: context.node,
    bootId: context.bootId,
    incident: { id: kill.duplicateOf ?? context.incident, group: kill.group },
    victim: { ...renderVictim(kill), main: identity.main },
    trigger: kill.trigger,
    outcome: outcomeOf(kill),
    limit: { scope: identity.scope, ...context.limit },
    cgroup: {
      path: kill.cgroup?.path ?? null,
      id: kill.cgroup?.id ?? null,
      version: kill.cgroup === null ? null : context.version,
    },
    container: identity.container,
    pod: identity.pod,
    unit: identity.unit,
    visibility: identity.visibility,
    attribution: kill.attribution,
    basis: recordedBasis(kill.cgroup),
    recovered: kill.recovered,
    witnesses: witnessesOf(kill.witnesses, identity.witnesses),
  };
}

function outcomeOf(kill: Kill): KillRecord["outcome"] {
  if (isDuplicate(kill)) return "duplicate";
  return kill.unconfirmed === true ? "unconfirmed" : "killed";
}

function witnessesOf(
  kernel: readonly SourceName[],
  runtimes: readonly SourceName[],
): readonly SourceName[] {
  if (runtimes.length === 0) return kernel;
  const all = new Set([...kernel, ...runtimes]);
  return SOURCE_NAMES.filter((name) => all.has(name));
}

/** Most kills are of a process whose leader is alive, where thread id and pid are the same; the trace or table says when not. */
function renderVictim({ victim }: Kill): VictimRecord {
  if (victim === null) return UNKNOWN_VICTIM;
  return { ...UNKNOWN_VICTIM, ...victim, pid: victim.pid ?? victim.tid };
}
