import type { LimitEvidence, LimitsObservation } from "../model/observation.ts";
import type { KillRecord } from "../model/record.ts";
import type { Kill } from "./kill.ts";

type Chain = LimitsObservation["chain"];

/** Cgroups whose limits are remembered; the longest-unused goes. */
const PATHS_KEPT = 4096;

/**
 * Which limit a kill ran into when its own report was rate-limited away. In a storm the log prints the limit for the
 * first ten kills; the others in the same cgroup hit the same one as long as it is still in force.
 */
export class Limits {
  readonly #chains = new Map<string, Chain>();
  readonly #printed = new Map<string, LimitEvidence>();

  observe(observation: LimitsObservation): void {
    remember(this.#chains, observation.path, observation.chain);
  }

  /** The log printed a limit for a victim in `path`. */
  printed(path: string, limit: LimitEvidence): void {
    if (limit.cgroup !== null) remember(this.#printed, path, limit);
  }

  /** The limit of a kill: as printed, else as printed for its neighbours, else the only one in force around it. */
  of(kill: Kill): Omit<KillRecord["limit"], "scope"> {
    const printed = kill.limit ?? { constraint: null, cgroup: null, bytes: null };
    const chain = kill.cgroup === null ? [] : (this.#chains.get(kill.cgroup.path) ?? []);
    const cgroup = printed.cgroup ?? this.#concluded(kill, printed, chain);
    const inForce = chain.find((entry) => entry.path === cgroup)?.limitBytes ?? null;
    return { constraint: printed.constraint, cgroup, bytes: printed.bytes ?? inForce };
  }

  #concluded(kill: Kill, printed: LimitEvidence, chain: Chain): string | null {
    if (printed.constraint !== "memcg" || kill.cgroup === null) return null;
    const neighbour = this.#printed.get(kill.cgroup.path)?.cgroup ?? null;
    if (neighbour !== null) return neighbour;
    return chain.length === 1 ? (chain[0]?.path ?? null) : null;
  }
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= PATHS_KEPT) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
