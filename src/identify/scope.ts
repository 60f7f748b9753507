import type { KillRecord, LimitScope } from "../model/record.ts";

/**
 * Which limit was hit, in the words of the contract: the victim's own cgroup, one above it, or no cgroup at all.
 * Returns the record unchanged when there is nothing to say.
 */
export function withLimitScope(record: KillRecord): KillRecord {
  const scope = limitScope(record);
  return scope === null ? record : { ...record, limit: { ...record.limit, scope } };
}

function limitScope({ limit, cgroup }: KillRecord): LimitScope {
  switch (limit.constraint) {
    case "none":
      return "node";
    case "cpuset":
      return "cpuset";
    case "memory_policy":
      return "mempolicy";
    case "memcg":
    case null:
      if (limit.cgroup === null || cgroup.path === null) return null;
      return limit.cgroup === cgroup.path ? "cgroup" : "ancestor";
    default:
      return limit.constraint satisfies never;
  }
}
