import type {
  GroupObservation,
  KillObservation,
  SkipObservation,
  SourceName,
} from "../model/observation.ts";
import type { Cases } from "./cases.ts";
import type { Incident } from "./incidents.ts";
import type { Kill } from "./kill.ts";
import { Repeats } from "./repeats.ts";

/** Group kills (memory.oom.group): which kills are one incident, and which of them the kernel's books hold twice. */
export class Groups {
  readonly #cases: Cases;
  readonly #repeats = new Repeats();

  constructor(cases: Cases) {
    this.#cases = cases;
  }

  /** A second kill of a first victim that is not known yet waits for it. */
  park(repeat: KillObservation): void {
    this.#repeats.park(repeat);
  }

  /** Takes out the second kills of at latest `time` (µs, monotonic) whose first never came. */
  overdue(time: number): KillObservation[] {
    return this.#repeats.claim((repeat) => repeat.at.monotonicMicroseconds <= time);
  }

  /** The kill belongs to the run of the OOM killer its evidence names. */
  join(kill: Kill, observation: KillObservation): void {
    const { source, incident } = observation;
    if (observation.group) this.#cases.incidents.of(source, incident).group = true;
    const joined = this.#cases.join(kill, source, incident);
    if (joined.group) this.#markGroup(joined);
    if (kill.doubled) this.#beOnlyFirst(kill);
  }

  /** The kill that the books have twice is the first victim: no other of its group kill is. */
  #beOnlyFirst(kill: Kill): void {
    for (const other of this.#cases.incidents.companions(kill)) {
      if (other.groupFirst && !other.doubled) this.#cases.change(other, { groupFirst: false });
    }
  }

  /** A run of the OOM killer turns out to be a group kill. */
  observe(observation: GroupObservation): void {
    const { source } = observation;
    const incident = this.#cases.incidents.of(source, observation.incident);
    incident.group = true;
    incident.cgroup ??= observation.cgroup;
    for (const member of [observation.incident, ...(observation.members ?? [])]) {
      const kill = this.#cases.kills.byEvidence(source, member);
      if (kill !== undefined) this.#cases.join(kill, source, observation.incident);
    }
    this.#markGroup(incident);
  }

  #markGroup(incident: Incident): void {
    for (const kill of incident.kills) {
      if (kill.cgroup === null && incident.cgroup !== null) {
        this.#cases.stamp(kill, { path: incident.cgroup, id: null, version: 2, basis: "group" });
      }
      this.#cases.change(kill, { group: true });
    }
    const { first } = incident;
    if (first === null || first.groupFirst || hasFirst(incident)) return;
    this.#cases.change(first, { groupFirst: true });
  }

  /** The kernel did not enter the first victim a second time. */
  skip(observation: SkipObservation): void {
    if (observation.incident === null) return;
    const first = this.#cases.kills.byEvidence(observation.source, observation.incident);
    if (first?.victim?.tid !== observation.tid || !first.groupFirst || first.doubled) return;
    this.#cases.change(first, { skipped: true });
  }

  /** The kernel's books hold this kill twice. */
  double(kill: Kill, source: SourceName): void {
    this.#cases.witness(kill, source);
    if (kill.doubled) return;
    this.#cases.change(kill, { doubled: true, group: true });
    this.#beOnlyFirst(kill);
  }

  /** Second kills that waited for this one. */
  claimRepeats(kill: Kill): void {
    const claimed = this.#repeats.claim((repeat) => this.#cases.kills.find(repeat) === kill);
    for (const repeat of claimed) this.double(kill, repeat.source);
  }
}

/** A source that lost the first victim's line takes another member for the first: a group kill has only one. */
function hasFirst(incident: Incident): boolean {
  return [...incident.kills].some(
    (kill) => kill !== incident.first && (kill.groupFirst || kill.doubled),
  );
}
