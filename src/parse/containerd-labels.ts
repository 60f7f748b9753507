import type { PodRecord } from "../model/record.ts";
import { shortText } from "../std/short-text.ts";
import { isSandbox, MAX_TEXT, podOfLabels } from "./docker-labels.ts";
import { textIn } from "./json-value.ts";

/** What containerd itself keeps of a container. */
export interface ContainerdLabels {
  readonly id: string;
  /** A reference (`docker.io/library/box:2`), or a digest for an image without a name. */
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerdIdentity {
  readonly runtime: string;
  readonly name: string | null;
  readonly image: string | null;
  readonly imageId: string | null;
  readonly restarts: number | null;
  readonly pod: PodRecord | null;
  readonly sandbox: boolean;
}

/** Docker keeps its containers in this namespace, and their names to itself. */
export const DOCKER_NAMESPACE = "moby";

/**
 * Who a container is, by its labels:
 *
 *     io.cri-containerd.kind=container  io.kubernetes.container.name=api  io.kubernetes.pod.name=cart-0
 *     io.kubernetes.pod.namespace=shop  io.kubernetes.pod.uid=8712f785-…          (CRI; `kind=sandbox` of the pause container)
 *     nerdctl/name=web  nerdctl/namespace=default                                  (nerdctl)
 *     containerd.io/restart.count=3                                                (containerd's restart monitor)
 */
export function identityOfContainerd(
  namespace: string,
  { id, image, labels }: ContainerdLabels,
): ContainerdIdentity {
  const pod = podOfLabels(labels);
  return {
    runtime: namespace === DOCKER_NAMESPACE ? "docker" : "containerd",
    name: pod?.container ?? textIn(labels, "nerdctl/name", MAX_TEXT) ?? chosenName(id),
    image: image === "" || isDigest(image) ? null : shortText(image, MAX_TEXT),
    imageId: isDigest(image) ? image : null,
    restarts: countOf(textIn(labels, "containerd.io/restart.count", 10)),
    pod,
    sandbox: textIn(labels, "io.cri-containerd.kind", MAX_TEXT) === "sandbox" || isSandbox(labels),
  };
}

/** `ctr run IMAGE NAME` makes the name the id; other clients make an id of 64 digits. */
function chosenName(id: string): string | null {
  return /^[0-9a-f]{64}$/.test(id) ? null : shortText(id, MAX_TEXT);
}

function isDigest(image: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(image);
}

function countOf(text: string | null): number | null {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : null;
}
