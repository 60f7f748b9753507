import { matchContainer } from "./container-segment.ts";
import { matchPod, type QosClass } from "./pod-segment.ts";

/*
 * /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod2942c55e_c9cb_428a_93f4_eaf89c1f3ce0.slice/crio-21572039….scope/container
 * /kubepods/besteffort/pod6a4ce4a0-ba47-11ea-b2a7-0cc47ac5979e/17db96a24ae1…
 * /system.slice/postgresql.service
 * /../../pod6a4ce4a0-ba47-11ea-b2a7-0cc47ac5979e/17db96a24ae1…      (seen from inside a cgroup namespace)
 */

/** What the path of a cgroup tells of its owner: layouts as in `fixtures` of the test, each from a real machine. */
export interface CgroupIdentity {
  /**
   * The innermost container: its id as in the cgroup's name, its runtime where the layout tells, and the path of its own
   * cgroup, without what is below. Whether it is a pod's sandbox the path does not tell.
   */
  readonly container: {
    readonly id: string;
    readonly runtime: string | null;
    readonly path: string;
  } | null;
  /** The innermost pod of the kubelet; of a static pod `uid` is the hash of its configuration. */
  readonly pod: {
    readonly uid: string;
    readonly qosClass: QosClass | null;
    readonly path: string;
  } | null;
  /** The innermost systemd unit that is no slice and no container: of the host, or of a systemd inside the container. */
  readonly unit: { readonly name: string; readonly path: string } | null;
}

const NOTHING: CgroupIdentity = { container: null, pod: null, unit: null };

/** The kernel prints no path longer than PATH_MAX. */
const PATH_LENGTH_LIMIT = 4096;
const DELETED = " (deleted)";
const UNIT = /\.(?:service|scope|socket|mount|swap)$/;

/** Never throws; a path that says nothing gives nulls. */
export function parseCgroupPath(path: string): CgroupIdentity {
  if (path.length > PATH_LENGTH_LIMIT) return NOTHING;
  const segments = splitPath(path);
  const pod = findLast(segments, matchPod);
  const found = findLast(segments, matchContainer);
  // A process in the cgroup of a pod inside a container (kind) is that pod's.
  const container = found !== null && pod !== null && pod.index > found.index ? null : found;
  const unit = findUnit(segments, container);
  return {
    container: container && { ...container.match.identity, path: join(segments, container.index) },
    pod: pod && { ...pod.match, path: join(segments, pod.index) },
    unit: unit === null ? null : { name: unitName(segments, unit), path: join(segments, unit) },
  };
}

function splitPath(path: string): string[] {
  const alive = path.endsWith(DELETED) ? path.slice(0, -DELETED.length) : path;
  return alive.split("/").filter((segment) => segment !== "" && segment !== ".");
}

function join(segments: readonly string[], last: number): string {
  return `/${segments.slice(0, last + 1).join("/")}`;
}

interface Found<Match> {
  readonly index: number;
  readonly match: Match;
}

function findLast<Match>(
  segments: readonly string[],
  matcher: (segments: readonly string[], index: number) => Match | null,
): Found<Match> | null {
  for (let index = segments.length - 1; index >= 0; index--) {
    const match = matcher(segments, index);
    if (match !== null) return { index, match };
  }
  return null;
}

/** Above a container only Podman's `--cgroups=split` has a unit that is the container's own. */
function findUnit(
  segments: readonly string[],
  container: Found<{ readonly insideUnit: boolean }> | null,
): number | null {
  const first = container === null ? 0 : container.index + 1;
  for (let index = segments.length - 1; index >= first; index--) {
    const segment = segments[index] ?? "";
    if (!UNIT.test(segment)) continue;
    // The manager itself in a container says nothing that the container does not say.
    return container !== null && segment === "init.scope" ? null : index;
  }
  if (container === null || !container.match.insideUnit) return null;
  return UNIT.test(segments[container.index - 1] ?? "") ? container.index - 1 : null;
}

/** systemd puts `_` before a name that could be taken for a file of the cgroup (cg_escape). */
function unitName(segments: readonly string[], index: number): string {
  const segment = segments[index] ?? "";
  return segment.startsWith("_") ? segment.slice(1) : segment;
}

/** Where systemd puts all that a user started (systemd.special(7)), containers of rootless daemons too. */
export function userSlice(uid: number): string {
  return `/user.slice/user-${uid}.slice/`;
}
