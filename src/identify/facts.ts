import type { ContainerFacts, RuntimeSourceName } from "../model/container.ts";
import type { ContainerRecord, PodRecord } from "../model/record.ts";

type Field =
  | "runtime"
  | "name"
  | "image"
  | "imageId"
  | "cgroupPath"
  | "namespace"
  | "podName"
  | "podUid"
  | "podContainer"
  | "qosClass"
  | "ownerKind"
  | "ownerName";

/**
 * What was said of a container, field by field, with the weight of who said it. Saying it again, in any order, gives the
 * same; what was not said erases nothing.
 */
export type Facts = { [Name in Field]?: Fact };

interface Fact {
  readonly value: string;
  readonly weight: number;
}

/** Heavier than any monotonic time in µs (31 years), lighter than what a double holds exactly. */
const RANK = 1e15;
/** A name longer than this is nobody's name (Kubernetes allows 253), but memory for us to keep. */
const LENGTH_LIMIT = 1024;

/** Takes in what `source` said at `at` (µs, monotonic). True when that says something new. */
export function learn(
  facts: Facts,
  said: ContainerFacts,
  source: RuntimeSourceName,
  at: number,
): boolean {
  // containerd knows the ids of Docker's containers, but Docker knows their names.
  const weight = (source === "containerd" ? 0 : RANK) + Math.max(0, at);
  const { pod } = said;
  const values: readonly (readonly [Field, string | null])[] = [
    ["runtime", said.runtime],
    ["name", said.name],
    ["image", said.image],
    ["imageId", said.imageId],
    ["cgroupPath", said.cgroupPath],
    ["namespace", pod?.namespace ?? null],
    ["podName", pod?.name ?? null],
    ["podUid", pod?.uid ?? null],
    ["podContainer", pod?.container ?? null],
    ["qosClass", pod?.qosClass ?? null],
    ["ownerKind", pod?.owner?.kind ?? null],
    ["ownerName", pod?.owner?.name ?? null],
  ];
  let news = false;
  for (const [field, value] of values) {
    if (value !== null && value !== "") news = put(facts, field, value, weight) || news;
  }
  return news;
}

function put(facts: Facts, field: Field, text: string, weight: number): boolean {
  const value = text.length > LENGTH_LIMIT ? text.slice(0, LENGTH_LIMIT) : text;
  const known = facts[field];
  const heavier =
    known === undefined ||
    weight > known.weight ||
    (weight === known.weight && value > known.value);
  if (heavier) facts[field] = { value, weight };
  return heavier && known?.value !== value;
}

/** The container as records have it; `runtime` is what the path says where nobody else says it. */
export function containerOf(
  id: string,
  facts: Facts,
  runtime: string | null,
  restarts: number | null,
): ContainerRecord {
  return {
    runtime: facts.runtime?.value ?? runtime ?? "unknown",
    id,
    name: facts.name?.value ?? null,
    image: facts.image?.value ?? null,
    imageId: facts.imageId?.value ?? null,
    restarts,
  };
}

/** The pod as records have it, or `null` when nobody spoke of one. */
export function podOf(facts: Facts): PodRecord | null {
  const kind = facts.ownerKind?.value;
  const name = facts.ownerName?.value;
  const pod: PodRecord = {
    namespace: facts.namespace?.value ?? null,
    name: facts.podName?.value ?? null,
    uid: facts.podUid?.value ?? null,
    container: facts.podContainer?.value ?? null,
    qosClass: facts.qosClass?.value ?? null,
    owner: kind === undefined || name === undefined ? null : { kind, name },
  };
  return Object.values(pod).every((value) => value === null) ? null : pod;
}
