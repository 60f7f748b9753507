import type { ContainerRecord, OutputRecord, PodRecord } from "../model/record.ts";

/** Whose records are wanted. What is not given does not narrow. */
export interface OwnerFilter {
  /** The container's name, its name in the pod, or its id: in full, or 12 digits or more of its beginning. */
  readonly container?: string;
  /** Name of the pod. */
  readonly pod?: string;
  readonly namespace?: string;
}

export interface RecordFilter extends OwnerFilter {
  /** Only kills after which the main process was still alive. */
  readonly invisible?: boolean;
}

/** Shorter beginnings are names more often than ids. */
const ID_PREFIX = /^[0-9a-f]{12,64}$/;

/** What may be the beginning of a container's id; `null` when it cannot. */
export function idPrefix(container: string): string | null {
  return ID_PREFIX.test(container) ? container : null;
}

/** Whether the filter narrows anything. */
export function isNarrow(filter: RecordFilter): boolean {
  return Object.values(filter).some((value) => value !== undefined && value !== false);
}

export function ownerMatches(
  filter: OwnerFilter,
  owner: { readonly container: ContainerRecord | null; readonly pod: PodRecord | null },
): boolean {
  const { pod, namespace } = filter;
  if (pod !== undefined && owner.pod?.name !== pod) return false;
  if (namespace !== undefined && owner.pod?.namespace !== namespace) return false;
  return filter.container === undefined || containerMatches(filter.container, owner);
}

function containerMatches(
  wanted: string,
  {
    container,
    pod,
  }: { readonly container: ContainerRecord | null; readonly pod: PodRecord | null },
): boolean {
  if (container?.name === wanted || pod?.container === wanted) return true;
  const prefix = idPrefix(wanted);
  return prefix !== null && container?.id.startsWith(prefix) === true;
}

/** Records of nobody (sources, the ledger) pass; kills of userspace tools have no container and pass only where nothing narrows. */
export function recordMatches(filter: RecordFilter, record: OutputRecord): boolean {
  switch (record.type) {
    case "kill":
      if (filter.invisible === true && record.visibility !== "invisible") return false;
      return ownerMatches(filter, record);
    case "exit":
      return filter.invisible !== true && ownerMatches(filter, record);
    case "userspace-kill":
      return !isNarrow(filter);
    case "source":
    case "ledger":
      return true;
  }
}
