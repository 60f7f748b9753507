/**
 * What a cgroup path says of itself. Real ones (facts of docs and kernel logs):
 *
 *     /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0b1c2d3e_4f50_….slice/cri-containerd-6af3….scope
 *     /kubepods/burstable/pod6a4ce4a0-ba47-11ea-b2a7-0cc47ac5979e/17db96a2…    /docker/63425c4a…
 *     /system.slice/postgresql.service    /user.slice/user-1000.slice/session-3.scope    /lxc.payload.first
 */
import { clean, cleanMiddle } from "./words.ts";

export type PlaceKind =
  | "root"
  | "container"
  | "pod"
  | "qos"
  | "kubepods"
  | "unit"
  | "slice"
  | "cgroup";

export interface Place {
  readonly kind: PlaceKind;
  /** In a sentence: `container 6af3b15cac32`, `pod 0b1c2d3e-…`, `service postgresql.service`. */
  readonly words: string;
  /** Kubernetes manages it. */
  readonly kubernetes: boolean;
}

const CONTAINER = /(?:^|[-:/])([0-9a-f]{64})(?:\.scope)?$/;
/** A runtime's name says it, whatever the id looks like. */
const RUNTIME = /^(?:cri-containerd|crio|docker|libpod|nerdctl)-([\w.-]{1,128}?)\.scope$/;
const POD = /(?:^|-)pod([0-9a-f][0-9a-f_-]{30,40}|[0-9a-f]{32})(?:\.slice)?$/;
const QOS = /(?:^|-)(burstable|besteffort)(?:\.slice)?$/;
/** Cgroups that runtimes and init systems make below a container. */
const BELOW = /\/(?:container|init\.scope|system\.slice(?:\/.*)?)$/;

/** The place that a path means, by its last component. */
export function placeOf(path: string): Place {
  const kubernetes = /kubepods/.test(path);
  if (path === "/") return { kind: "root", words: "the root cgroup", kubernetes };
  const whole = containerPart(path);
  const last = whole.slice(whole.lastIndexOf("/") + 1);
  const kind = kindOf(last);
  return { kind, words: wordsOf(kind, last, path), kubernetes };
}

/** The path up to the container, without the cgroups that live inside it. */
function containerPart(path: string): string {
  const outer = path.replace(BELOW, "");
  return outer !== path && CONTAINER.test(outer) ? outer : path;
}

function kindOf(last: string): PlaceKind {
  if (CONTAINER.test(last) || RUNTIME.test(last) || /^lxc\.payload/.test(last)) return "container";
  if (POD.test(last)) return "pod";
  if (QOS.test(last)) return "qos";
  if (/^(?:kubelet-)?kubepods(?:\.slice)?$/.test(last)) return "kubepods";
  if (/\.(?:service|scope)$/.test(last)) return "unit";
  return last.endsWith(".slice") ? "slice" : "cgroup";
}

function wordsOf(kind: PlaceKind, last: string, path: string): string {
  switch (kind) {
    case "root":
      return "the root cgroup";
    case "container":
      return `container ${containerId(last) ?? clean(last, 40)}`;
    case "pod":
      return `pod ${clean((POD.exec(last)?.[1] ?? last).replaceAll("_", "-"), 40)}`;
    case "qos":
      return `all ${QOS.exec(last)?.[1] ?? ""} pods of the node together`;
    case "kubepods":
      return "all pods of the node together";
    case "unit":
      return `${last.endsWith(".service") ? "service" : "scope"} ${clean(last, 48)}`;
    case "slice":
      return `slice ${clean(last, 48)}`;
    case "cgroup":
      return `cgroup ${cleanMiddle(path, 48)}`;
  }
}

function containerId(last: string): string | null {
  const id = CONTAINER.exec(last)?.[1] ?? RUNTIME.exec(last)?.[1] ?? null;
  return id === null ? null : clean(id.slice(0, 12));
}

/** Whether `path` lies below `ancestor`, which is not itself. */
export function isBelow(path: string, ancestor: string): boolean {
  return path !== ancestor && path.startsWith(ancestor === "/" ? "/" : `${ancestor}/`);
}
