import type { ContainerFacts, RuntimeObservation } from "../model/container.ts";
import { parseCgroupPath } from "./cgroup-path.ts";

/**
 * What a runtime says of a container, without what the kernel contradicts: a process in the cgroup of another container is not this
 * one's, and a pod that the cgroup's path does not name is not its pod. Of an ordinary user's daemon a pod is believed only when the
 * path names it.
 */
export function believable(said: RuntimeObservation): {
  readonly observation: RuntimeObservation;
  readonly contradicts: boolean;
} {
  if (said.kind !== "container") return { observation: said, contradicts: false };
  const container = withoutContradictions(said.container, said.owner !== undefined);
  const contradicts = container !== said.container && said.container.cgroupPath !== null;
  return {
    observation: contradicts || container !== said.container ? { ...said, container } : said,
    contradicts,
  };
}

function withoutContradictions(said: ContainerFacts, isUsers: boolean): ContainerFacts {
  const path = said.cgroupPath === null ? null : parseCgroupPath(said.cgroupPath);
  const named = path?.container?.id;
  if (named !== undefined && isFullId(named) && isFullId(said.id) && named !== said.id) {
    return { ...said, cgroupPath: null, mainPid: null, pod: null };
  }
  const uid = said.pod?.uid ?? null;
  const pathUid = path?.pod?.uid ?? null;
  const isOther = uid !== null && pathUid !== null && uid !== pathUid;
  const isUnshown = isUsers && said.pod !== null && pathUid === null;
  return isOther || isUnshown ? { ...said, pod: null } : said;
}

/** Names that people choose (`ctr run … web`) may be in the path of anything. */
function isFullId(id: string): boolean {
  return /^[0-9a-f]{64}$/.test(id);
}
