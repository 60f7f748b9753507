import type { KillRecord, LimitScope } from "../model/record.ts";
import { type CgroupIdentity, parseCgroupPath } from "./cgroup-path.ts";

/**
 * Which limit was hit, in the words of the contract. `containerPath` is the cgroup of the victim's container, whose limit
 * may be hit by a process in a cgroup below it.
 */
export function limitScope(
  { limit, cgroup }: Pick<KillRecord, "limit" | "cgroup">,
  containerPath: string | null,
): LimitScope {
  switch (limit.constraint) {
    case "none":
      return "node";
    case "cpuset":
      return "cpuset";
    case "memory_policy":
      return "mempolicy";
    case "memcg":
    case null:
      return limit.cgroup === null ? null : cgroupScope(limit.cgroup, cgroup.path, containerPath);
    default:
      return limit.constraint satisfies never;
  }
}

function cgroupScope(
  limit: string,
  victim: string | null,
  containerPath: string | null,
): LimitScope {
  const own = parseCgroupPath(limit);
  if (isContainer(limit, containerPath ?? own.container?.path ?? null)) return "container";
  if (own.pod?.path === limit) return "pod";
  if (victim === null) return null;
  return isOwn(limit, victim, containerPath, parseCgroupPath(victim)) ? "cgroup" : "ancestor";
}

/** crun puts the processes of a container into `container` below the scope that systemd made. */
function isContainer(limit: string, containerPath: string | null): boolean {
  return (
    containerPath !== null && (limit === containerPath || limit === `${containerPath}/container`)
  );
}

/** The victim's own cgroup, its unit's, or one that the container made for itself. */
function isOwn(
  limit: string,
  victim: string,
  containerPath: string | null,
  { unit }: CgroupIdentity,
): boolean {
  if (limit === victim || limit === unit?.path) return true;
  return containerPath !== null && limit.startsWith(`${containerPath}/`);
}
