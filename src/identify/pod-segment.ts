export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

export interface PodSegment {
  readonly uid: string;
  /** `null` when the directories above were cut off by a cgroup namespace. */
  readonly qosClass: QosClass | null;
}

/** kubelet's systemd driver: `-` within a part becomes `_`, parts are joined with `-` (cgroup_manager_linux.go, ToSystemd). */
const SLICE = /(?:^|-)kubepods(?:-(besteffort|burstable))?-pod([^-]+)$/;
const UID = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})$/;
const UID_LENGTH_LIMIT = 253;

/** Whether directory `index` is a pod's, and the uid that its name has. */
export function matchPod(segments: readonly string[], index: number): PodSegment | null {
  const segment = segments[index] ?? "";
  return segment.startsWith("pod") ? matchPlain(segments, index) : matchSlice(segment);
}

/** `kubepods-burstable-pod<uid_>.slice`, also as the first part of `<slice>:<prefix>:<id>`. */
function matchSlice(segment: string): PodSegment | null {
  const colon = segment.indexOf(":");
  const slice = colon < 0 ? segment : segment.slice(0, colon);
  if (!slice.endsWith(".slice")) return null;
  const match = SLICE.exec(slice.slice(0, -".slice".length));
  const uid = match?.[2]?.replaceAll("_", "-").replaceAll("\\x2d", "-");
  if (uid === undefined || uid.length > UID_LENGTH_LIMIT) return null;
  return { uid, qosClass: qosOf(match?.[1]) ?? "Guaranteed" };
}

/** `pod<uid>` of the cgroupfs driver: below `kubepods`, or with a uid that is nothing else. */
function matchPlain(segments: readonly string[], index: number): PodSegment | null {
  const uid = (segments[index] ?? "").slice("pod".length);
  if (uid === "" || uid.length > UID_LENGTH_LIMIT) return null;
  const parent = segments[index - 1];
  const grandparent = qosOf(parent) === null ? parent : segments[index - 2];
  const below = grandparent !== undefined && isKubepods(grandparent);
  if (!below && !UID.test(uid)) return null;
  return { uid, qosClass: qosOf(parent) ?? (below ? "Guaranteed" : null) };
}

function isKubepods(segment: string): boolean {
  return segment === "kubepods" || segment === "kubepods.slice";
}

function qosOf(word: string | undefined): QosClass | null {
  switch (word) {
    case "besteffort":
      return "BestEffort";
    case "burstable":
      return "Burstable";
    default:
      return null;
  }
}
