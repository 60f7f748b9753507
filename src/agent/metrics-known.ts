import type { ContainerRecord, PodRecord } from "../model/record.ts";
import { boundedValue } from "../sinks/prometheus-text.ts";
import type { SeriesCount } from "../sinks/sink.ts";

type Labels = SeriesCount["labels"];

/** What is known of a container: what a checkpoint keeps. `null` is not known yet. */
export interface Known {
  readonly id: string;
  readonly runtime: string;
  readonly name: string | null;
  readonly image: string | null;
  readonly cgroup: string | null;
  readonly pod: Pick<PodRecord, "namespace" | "name" | "uid" | "container"> | null;
}

/** A container as a record or a runtime names it. */
export type Named = Pick<ContainerRecord, "id" | "runtime" | "name" | "image">;

/** Stands for those that find no room. */
export const OTHER: Known = {
  id: "other",
  runtime: "other",
  name: "other",
  image: "other",
  cgroup: "other",
  pod: { namespace: "other", name: "other", uid: null, container: "other" },
};

export function knownOf(container: Named, pod: PodRecord | null, cgroup: string | null): Known {
  const { id, runtime, name, image } = container;
  return {
    id,
    runtime,
    name: bounded(name),
    image: bounded(image),
    cgroup: bounded(cgroup),
    pod: podOf(pod),
  };
}

function podOf(pod: PodRecord | null): Known["pod"] {
  if (pod === null) return null;
  const { namespace, name, uid, container } = pod;
  return {
    namespace: bounded(namespace),
    name: bounded(name),
    uid: bounded(uid),
    container: bounded(container),
  };
}

function bounded(value: string | null): string | null {
  return value === null ? null : boundedValue(value);
}

/** The runtime of a container that is known by its cgroup alone. */
const NOT_TOLD = "unknown";

/** What was said before stays when it is not said again. */
export function merged(before: Known, now: Known): Known {
  return {
    id: before.id,
    runtime: now.runtime === NOT_TOLD ? before.runtime : now.runtime,
    name: now.name ?? before.name,
    image: now.image ?? before.image,
    cgroup: now.cgroup ?? before.cgroup,
    pod: mergedPod(now.pod, before.pod),
  };
}

function mergedPod(now: Known["pod"], before: Known["pod"]): Known["pod"] {
  if (now === null || before === null) return now ?? before;
  return {
    namespace: now.namespace ?? before.namespace,
    name: now.name ?? before.name,
    uid: now.uid ?? before.uid,
    container: now.container ?? before.container,
  };
}

/** By which a container is the successor of another. */
export function nameOf({ id, name, pod }: Known): string {
  if (pod !== null) return JSON.stringify([pod.namespace, pod.name, pod.container]);
  return JSON.stringify(name ?? id);
}

/** missing-container-metrics c963722, docker/event_handler.go and containerd/event_handler.go: `image_id` is the image's name. */
export function dropInLabels({ id, runtime, name, image, pod }: Known): Labels {
  const docker = runtime === "docker";
  return {
    docker_container_id: docker ? id : "not-a-docker-container",
    container_short_id: id.slice(0, 12),
    container_id: `${runtime}://${id}`,
    name: (docker ? name : (pod?.container ?? name)) ?? "",
    image_id: docker ? `docker-pullable://${image ?? ""}` : (image ?? ""),
    pod: pod?.name ?? "",
    namespace: pod?.namespace ?? "",
  };
}

/** cAdvisor's labels as the kubelet serves them: `id` is the cgroup, `name` the runtime's name of the container. */
export function eventLabels({ id, runtime, name, image, cgroup, pod }: Known): Labels {
  return {
    container: pod?.container ?? "",
    id: cgroup ?? id,
    image: image ?? "",
    name: pod !== null && runtime !== "docker" ? id : (name ?? id),
    namespace: pod?.namespace ?? "",
    pod: pod?.name ?? "",
  };
}
