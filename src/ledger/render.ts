import type { KillRecord, VictimRecord } from "../model/record.ts";
import { formatInstant } from "../model/time.ts";
import type { Kill } from "./kill.ts";

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

/** The record of a kill before anybody says whose container it was: that is the next room's work. */
export function renderKill(kill: Kill, context: RenderContext): KillRecord {
  return {
    type: "kill",
    id: kill.id,
    revision: kill.revision,
    at: formatInstant(kill.at),
    node: context.node,
    bootId: context.bootId,
    incident: { id: context.incident, group: kill.group },
    victim: renderVictim(kill),
    trigger: kill.trigger,
    outcome: "killed",
    limit: { scope: null, ...context.limit },
    cgroup: {
      path: kill.cgroup?.path ?? null,
      id: kill.cgroup?.id ?? null,
      version: kill.cgroup === null ? null : context.version,
    },
    container: null,
    pod: null,
    unit: null,
    visibility: "unknown",
    attribution: kill.attribution,
    recovered: kill.recovered,
    witnesses: kill.witnesses,
  };
}

/** Most kills are of a process whose leader is alive, where thread id and pid are the same; the trace or table says when not. */
function renderVictim({ victim }: Kill): VictimRecord {
  if (victim === null) return UNKNOWN_VICTIM;
  return { ...UNKNOWN_VICTIM, ...victim, pid: victim.pid ?? victim.tid };
}
