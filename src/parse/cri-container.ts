import type { PodRecord } from "../model/record.ts";
import { shortText } from "../std/short-text.ts";
import { MAX_TEXT } from "./docker-labels.ts";
import { countIn, objectOf, parseJson, textIn } from "./json-value.ts";

/**
 * What a runtime says through the CRI (k8s.io/cri-api, runtime.v1), here of containerd 1.6 in `crictl`'s words:
 *
 *     {"id":"97195d3c…","podSandboxId":"d4f07040…","metadata":{"name":"api","attempt":2},
 *      "image":{"image":"docker.io/library/box:2"},"imageRef":"sha256:9b1d…","state":"CONTAINER_EXITED",
 *      "labels":{"io.kubernetes.pod.name":"cart-0",…}}
 *     status: {"exitCode":137,"reason":"OOMKilled","finishedAt":"1795245761199535000"}
 */
export interface CriListed {
  readonly id: string;
  readonly metadata?: { readonly name: string; readonly attempt: number } | undefined;
  readonly image?: { readonly image: string; readonly userSpecifiedImage: string } | undefined;
  readonly imageRef: string;
}

export interface CriSandboxListed {
  readonly id: string;
  readonly metadata?:
    | { readonly name: string; readonly namespace: string; readonly uid: string }
    | undefined;
}

/** A container's identity, completed by the sandbox it runs in; `attempt` is the kubelet's count of restarts. */
export function identityOfCri(container: CriListed, sandbox: CriSandboxListed | null) {
  const name = text(container.metadata?.name);
  return {
    name,
    image: reference(container.image?.userSpecifiedImage) ?? reference(container.image?.image),
    imageId: text(container.imageRef),
    restarts: container.metadata?.attempt ?? null,
    pod: podOfCri(sandbox, name),
    sandbox: false,
  };
}

export function podOfCri(
  sandbox: CriSandboxListed | null,
  container: string | null,
): PodRecord | null {
  const { metadata } = sandbox ?? {};
  if (metadata === undefined) return null;
  const { name, namespace, uid } = metadata;
  const pod = { namespace: text(namespace), name: text(name), uid: text(uid) };
  return { ...pod, container, qosClass: null, owner: null };
}

/** The kubelet passes images by their digest, and newer ones the name beside it. */
function reference(image: string | undefined): string | null {
  return image !== undefined && /^(sha256:)?[0-9a-f]{64}$/.test(image) ? null : text(image);
}

function text(value: string | undefined): string | null {
  return value === undefined || value === "" ? null : shortText(value, MAX_TEXT).toWellFormed();
}

/** How a container ended, in the runtime's words. */
export interface CriEnd {
  readonly exitCode: number | null;
  readonly oomReported: boolean | null;
}

/**
 * The reason is `OOMKilled` for any OOM kill that the runtime noticed in the container, `Error` or `Completed` else.
 * containerd says `Unknown` and 255 when it was away and could not find out (internal/cri/server/helpers.go).
 */
export function endOfCri(exitCode: number, reason: string): CriEnd {
  if (reason === "OOMKilled") return { exitCode: byteOrNull(exitCode), oomReported: true };
  if (reason === "Unknown" || reason === "") return { exitCode: null, oomReported: null };
  return { exitCode: byteOrNull(exitCode), oomReported: false };
}

function byteOrNull(exitCode: number): number | null {
  return exitCode >= 0 && exitCode <= 255 ? exitCode : null;
}

/** The main process, from what the runtime adds when it is asked to be verbose: JSON with a `pid` in it. */
export function mainPidOfCri(info: Readonly<Record<string, string>>): number | null {
  const verbose = textIn(info, "info", INFO_LIMIT);
  const pid = verbose === null ? null : countIn(objectOf(parseJson(verbose)), "pid");
  return pid === 0 ? null : pid;
}

const INFO_LIMIT = 1 << 20;
