import type { SourceName } from "./observation.ts";
import type { ContainerRecord, LimitScope, PodRecord, Visibility } from "./record.ts";

/** Whose a kill was, as far as it is known now. */
export interface Identity {
  readonly container: ContainerRecord | null;
  readonly pod: PodRecord | null;
  readonly unit: string | null;
  /** Whether the victim was the container's main process; `null` when that is not known. */
  readonly main: boolean | null;
  readonly visibility: Visibility;
  readonly scope: LimitScope;
  /** Runtimes that spoke of a kill in this container at that time. */
  readonly witnesses: readonly SourceName[];
}

export const NOBODY: Identity = {
  container: null,
  pod: null,
  unit: null,
  main: null,
  visibility: "unknown",
  scope: null,
  witnesses: [],
};

/** What is known now, and what was known and is not any more: a runtime that forgot a container takes nothing back. */
export function mergeIdentity(known: Identity, now: Identity): Identity {
  const settled = known.visibility !== "unknown" && known.visibility !== "pending";
  return {
    container: now.container ?? known.container,
    pod: now.pod ?? known.pod,
    unit: now.unit ?? known.unit,
    main: now.main ?? known.main,
    visibility: settled ? known.visibility : now.visibility,
    scope: now.scope ?? known.scope,
    witnesses: [...new Set([...known.witnesses, ...now.witnesses])],
  };
}
