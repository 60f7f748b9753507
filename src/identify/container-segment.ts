import { matchPod } from "./pod-segment.ts";

/** What one directory of a cgroup path says of a container. */
export interface ContainerSegment {
  readonly identity: { readonly id: string; readonly runtime: string | null };
  /** Podman's `--cgroups=split`: the service above is the container's. */
  readonly insideUnit: boolean;
}

const ID_LENGTH = 64;
const HEX_ID = /^[0-9a-f]{64}$/;
/** Fargate: `1d3b1c5a0b9e4d0a8a4b5f0f0a1b2c3d-3057940393`. */
const FARGATE_ID = /^[0-9a-f]{32}-\d{1,20}$/;
/** Nomad: allocation and task, `e2b1c7b0-….redis`. */
const ALLOCATION = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\../;

/** Prefixes of directory names, `crio-<id>.scope`; runtimes are named as their users name them. */
const RUNTIME_OF_PREFIX: ReadonlyMap<string, string> = new Map([
  ["docker", "docker"],
  ["cri-containerd", "containerd"],
  ["containerd", "containerd"],
  ["nerdctl", "containerd"],
  ["crio", "cri-o"],
  ["libpod", "podman"],
  ["libpod-payload", "podman"],
  ["kata", "kata"],
]);

/** Directories above a bare `<id>`. */
const RUNTIME_OF_PARENT: ReadonlyMap<string, string> = new Map([
  ["docker", "docker"],
  ["libpod_parent", "podman"],
  // Namespaces of containerd, which are directories with the cgroupfs driver.
  ["default", "containerd"],
  ["k8s.io", "containerd"],
  ["kata_overhead", "kata"],
]);

/** Whether directory `index` is a container's. Monitors (`crio-conmon-…`, `lxc.monitor.…`) are none. */
export function matchContainer(
  segments: readonly string[],
  index: number,
): ContainerSegment | null {
  const segment = segments[index] ?? "";
  const name = segment.endsWith(".scope") ? segment.slice(0, -".scope".length) : segment;
  return matchHexId(name, segments, index) ?? matchNamed(name, segments, index);
}

/** `<id>`, `<prefix>-<id>`, `kata_<id>`, and `<slice>:<prefix>:<id>` where kubelet and runtime disagree on the driver. */
function matchHexId(
  name: string,
  segments: readonly string[],
  index: number,
): ContainerSegment | null {
  const id = name.slice(-ID_LENGTH);
  if (!HEX_ID.test(id)) return null;
  const before = name.slice(0, -ID_LENGTH);
  if (before === "") {
    return { identity: { id, runtime: runtimeOfParents(segments, index) }, insideUnit: false };
  }
  if (!/[-:_]$/.test(before)) return null;
  const prefix = before.slice(before.lastIndexOf(":", before.length - 2) + 1, -1);
  if (prefix.endsWith("conmon")) return null;
  const runtime = RUNTIME_OF_PREFIX.get(prefix) ?? null;
  return { identity: { id, runtime }, insideUnit: prefix === "libpod-payload" };
}

function runtimeOfParents(segments: readonly string[], index: number): string | null {
  const known = RUNTIME_OF_PARENT.get(segments[index - 1] ?? "");
  if (known !== undefined) return known;
  // The kubelet's cgroupfs driver: Docker is no longer its runtime since Kubernetes 1.24, and CRI-O has a prefix.
  if (index > 0 && matchPod(segments, index - 1) !== null) return "containerd";
  return segments.slice(0, index).includes("ecs") ? "docker" : null;
}

function matchNamed(
  name: string,
  segments: readonly string[],
  index: number,
): ContainerSegment | null {
  const runtime = runtimeOfName(name, segments.slice(0, index));
  if (runtime === undefined) return null;
  const id = name.startsWith(LXC_PAYLOAD) ? name.slice(LXC_PAYLOAD.length) : name;
  return id === "" ? null : { identity: { id, runtime }, insideUnit: false };
}

const LXC_PAYLOAD = "lxc.payload.";

/** Runtimes that name directories otherwise; `undefined` when this is no container. */
function runtimeOfName(name: string, above: readonly string[]): string | null | undefined {
  const parent = above.at(-1);
  if (name.startsWith(LXC_PAYLOAD)) return "lxc";
  if (name === "..") return undefined;
  if (parent === "lxc" || parent === "lxc.payload") return "lxc";
  if (parent === "garden") return "garden";
  if (ALLOCATION.test(name) && above.some((one) => /^nomad(?:\.slice)?$/.test(one))) return "nomad";
  if (FARGATE_ID.test(name) && above.includes("ecs")) return null;
  return undefined;
}
