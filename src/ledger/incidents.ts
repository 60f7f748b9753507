import type { KillSourceName } from "../model/observation.ts";
import type { Kill } from "./kill.ts";

/** Which source's word on a run of the OOM killer is taken first. The log says in words that it was a group kill. */
const PRECEDENCE: readonly KillSourceName[] = ["kernel-log", "tracefs", "probe"];

/** One run of the OOM killer as one source tells it. */
export interface Incident {
  group: boolean;
  /** The cgroup with memory.oom.group set, when the source says. */
  cgroup: string | null;
  first: Kill | null;
  readonly kills: Set<Kill>;
}

/** The runs of the OOM killer that recent kills belong to. */
export class Incidents {
  readonly #byKey = new Map<string, Incident>();

  /** The incident, made when it is new. */
  of(source: KillSourceName, sequence: string): Incident {
    const key = `${source}:${sequence}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const incident: Incident = { group: false, cgroup: null, first: null, kills: new Set() };
    this.#byKey.set(key, incident);
    return incident;
  }

  /**
   * Puts `kill` into the incident `source` names, or into that of `sequence` when another is settled; it leaves the one it was in before. What was learned of a group kill is
   * not unlearned when its members' own evidence, which came before that was known, comes again.
   */
  join(
    kill: Kill,
    source: KillSourceName,
    named: string,
  ): { readonly incident: Incident; readonly sequence: string } {
    const sequence = this.#settled(kill, source, named);
    const before = kill.incidents[source];
    if (before !== undefined && before !== sequence) this.#leave(kill, source, before);
    const incident = this.of(source, sequence);
    incident.kills.add(kill);
    if (kill.evidence[source] === sequence) incident.first = kill;
    return { incident, sequence };
  }

  /** Puts a kill of an earlier process back into its incidents. Returns what they make of it. */
  restore(kill: Kill): Pick<Kill, "incidents" | "group"> {
    let { incidents, group } = kill;
    for (const source of PRECEDENCE) {
      const sequence = kill.incidents[source];
      if (sequence === undefined) continue;
      const joined = this.join(kill, source, sequence);
      const { incident } = joined;
      incidents = { ...incidents, [source]: joined.sequence };
      group ||= incident.group;
      if (kill.groupFirst || kill.evidence[source] !== sequence) incident.group ||= group;
    }
    return { incidents, group };
  }

  /** The first victim of a known group kill is in no other; a member leaves a group kill only for another one. */
  #settled(kill: Kill, source: KillSourceName, named: string): string {
    const own = kill.evidence[source];
    if (own !== undefined && this.#isGroup(source, own)) return own;
    const before = kill.incidents[source];
    if (before === undefined || !this.#isGroup(source, before)) return named;
    return this.#isGroup(source, named) ? named : before;
  }

  #isGroup(source: KillSourceName, sequence: string): boolean {
    return this.#byKey.get(`${source}:${sequence}`)?.group === true;
  }

  /** The other kills of the runs this kill belongs to, as any source tells. */
  companions(kill: Kill): Kill[] {
    return PRECEDENCE.flatMap((source) => {
      const sequence = kill.incidents[source];
      const incident =
        sequence === undefined ? undefined : this.#byKey.get(`${source}:${sequence}`);
      return [...(incident?.kills ?? [])].filter((other) => other !== kill);
    });
  }

  /** The id of the incident for a record: that of its first kill; a kill alone is its own. */
  idOf(kill: Kill): string {
    const known = PRECEDENCE.flatMap((source) => {
      const sequence = kill.incidents[source];
      const incident =
        sequence === undefined ? undefined : this.#byKey.get(`${source}:${sequence}`);
      return incident === undefined ? [] : [incident];
    });
    const chosen = known.find((incident) => incident.group) ?? known[0];
    return chosen?.first?.id ?? earliest(chosen) ?? kill.id;
  }

  forget(kill: Kill): void {
    for (const source of PRECEDENCE) {
      const sequence = kill.incidents[source];
      if (sequence !== undefined) this.#leave(kill, source, sequence);
    }
  }

  #leave(kill: Kill, source: KillSourceName, sequence: string): void {
    const key = `${source}:${sequence}`;
    const incident = this.#byKey.get(key);
    if (incident === undefined) return;
    incident.kills.delete(kill);
    if (incident.first === kill) incident.first = null;
    if (incident.kills.size === 0) this.#byKey.delete(key);
  }
}

/** When the first kill of an incident was lost, the earliest known one names it. */
function earliest(incident: Incident | undefined): string | undefined {
  let found: Kill | undefined;
  for (const kill of incident?.kills ?? []) {
    if (found === undefined || kill.at.monotonicMicroseconds < found.at.monotonicMicroseconds) {
      found = kill;
    }
  }
  return found?.id;
}
