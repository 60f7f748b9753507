import type { PodRecord } from "../model/record.ts";
import { type JsonObject, textIn } from "./json-value.ts";

/** Longest name or image that is kept: Docker allows 255 for a name, a reference with a digest has some 400 characters. */
export const MAX_TEXT = 512;

/**
 * What the kubelet wrote on a container, whichever runtime runs it (pkg/kubelet/types/labels.go):
 *
 *     io.kubernetes.pod.name, io.kubernetes.pod.namespace, io.kubernetes.pod.uid, io.kubernetes.container.name
 */
export function podOfLabels(labels: JsonObject | null): PodRecord | null {
  const name = textIn(labels, "io.kubernetes.pod.name", MAX_TEXT);
  const namespace = textIn(labels, "io.kubernetes.pod.namespace", MAX_TEXT);
  const uid = textIn(labels, "io.kubernetes.pod.uid", MAX_TEXT);
  if (name === null && uid === null) return null;
  const container = isSandbox(labels)
    ? null
    : textIn(labels, "io.kubernetes.container.name", MAX_TEXT);
  return { namespace, name, uid, container, qosClass: null, owner: null };
}

/** The pause container of a pod: `podsandbox` of cri-dockerd and dockershim, `POD` of older kubelets. */
export function isSandbox(labels: JsonObject | null): boolean {
  if (textIn(labels, "io.kubernetes.docker.type", MAX_TEXT) === "podsandbox") return true;
  return textIn(labels, "io.kubernetes.container.name", MAX_TEXT) === "POD";
}
