import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerDeath } from "../../../lab/pod-storm.ts";
import type { ExitRecord, KillRecord, OutputRecord } from "../../../src/model/record.ts";
import type { StreamEvent } from "./event-stream.ts";

/** What the agent told of containers that are known to have been killed, counted; `complaints` say what was wrong where. */
export interface Judgement {
  readonly containers: number;
  /** What containerd's status said. */
  readonly containerdOomKilled: number;
  readonly containerdError: number;
  readonly containerdOther: number;
  /** Containers with exactly one kill. */
  readonly recorded: number;
  readonly rightPod: number;
  /** With the kubelet's count of restarts, in the kill and in the exit. */
  readonly rightCount: number;
  /** Main process, seen as such. */
  readonly rightVictim: number;
  /** The container's own limit was hit. */
  readonly rightLimit: number;
  readonly beforeExit: number;
  readonly rightVerdict: number;
  readonly complaints: readonly string[];
}

export const NOTHING_JUDGED: Judgement = {
  containers: 0,
  containerdOomKilled: 0,
  containerdError: 0,
  containerdOther: 0,
  recorded: 0,
  rightPod: 0,
  rightCount: 0,
  rightVictim: 0,
  rightLimit: 0,
  beforeExit: 0,
  rightVerdict: 0,
  complaints: [],
};

/** Waits until the end of each of these containers has been told, and a moment longer: nothing may come twice. */
export async function untilTold(
  { events }: { readonly events: readonly StreamEvent[] },
  deaths: readonly ContainerDeath[],
): Promise<void> {
  const missing = new Set(deaths.map(({ id }) => id));
  let read = 0;
  for (const until = Date.now() + 30_000; missing.size > 0 && Date.now() < until; ) {
    for (; read < events.length; read++) {
      const record = events[read]?.record;
      if (record?.type === "exit") missing.delete(record.container.id);
    }
    await sleep(100);
  }
  await sleep(2_500);
}

const LIMIT_BYTES = 15 * 1024 * 1024;
/** Complaints of one kind that are kept: a hundred of one would hide the others. */
const KEPT_OF_EACH = 10;

/** A complaint begins with its kind: the checks that failed. */
function someOfEach(complaints: readonly string[]): string[] {
  const kept = new Map<string, number>();
  return complaints.filter((one) => {
    const kind = one.slice(0, one.indexOf(":"));
    const count = (kept.get(kind) ?? 0) + 1;
    kept.set(kind, count);
    return count <= KEPT_OF_EACH;
  });
}

export function sum(one: Judgement, other: Judgement): Judgement {
  return {
    containers: one.containers + other.containers,
    containerdOomKilled: one.containerdOomKilled + other.containerdOomKilled,
    containerdError: one.containerdError + other.containerdError,
    containerdOther: one.containerdOther + other.containerdOther,
    recorded: one.recorded + other.recorded,
    rightPod: one.rightPod + other.rightPod,
    rightCount: one.rightCount + other.rightCount,
    rightVictim: one.rightVictim + other.rightVictim,
    rightLimit: one.rightLimit + other.rightLimit,
    beforeExit: one.beforeExit + other.beforeExit,
    rightVerdict: one.rightVerdict + other.rightVerdict,
    complaints: someOfEach([...one.complaints, ...other.complaints]),
  };
}

/** All that was told of one container, in the order in which it was told. */
export interface Told {
  /** The latest revision of each kill and exit. */
  readonly kills: readonly KillRecord[];
  readonly exits: readonly ExitRecord[];
  /** Places in the stream: of the first kill's opening, and of the exit. */
  readonly killAt: number;
  readonly exitAt: number;
}

export function toldOf(records: readonly OutputRecord[], id: string): Told {
  const kills = new Map<string, KillRecord>();
  const exits = new Map<string, ExitRecord>();
  let exitAt = -1;
  for (const [index, record] of records.entries()) {
    if (record.type === "kill" && record.container?.id === id) kills.set(record.id, record);
    if (record.type !== "exit" || record.container.id !== id) continue;
    exits.set(record.id, record);
    if (exitAt < 0) exitAt = index;
  }
  const killAt = records.findIndex((one) => one.type === "kill" && kills.has(one.id));
  return { kills: [...kills.values()], exits: [...exits.values()], killAt, exitAt };
}

/**
 * Holds what the agent told against what happened: every one of these containers was killed by the kernel, once. `away`:
 * containerd was dead for a while, so it may not have been heard to say what it says now.
 */
export function judge(
  deaths: readonly ContainerDeath[],
  records: readonly OutputRecord[],
  away = false,
): Judgement {
  const byContainer = recordsByContainer(records);
  return deaths
    .map((death) => judgeOne(death, toldOf(byContainer.get(death.id) ?? [], death.id), away))
    .reduce(sum, NOTHING_JUDGED);
}

/** Everything that names a container, with all the revisions of its kills, in order. */
function recordsByContainer(records: readonly OutputRecord[]): Map<string, OutputRecord[]> {
  const owners = new Map<string, string>();
  for (const record of records) {
    if (record.type === "kill" && record.container) owners.set(record.id, record.container.id);
  }
  const found = new Map<string, OutputRecord[]>();
  for (const record of records) {
    const id =
      record.type === "kill"
        ? owners.get(record.id)
        : record.type === "exit"
          ? record.container.id
          : undefined;
    if (id === undefined) continue;
    const list = found.get(id) ?? [];
    list.push(record);
    found.set(id, list);
  }
  return found;
}

function judgeOne(death: ContainerDeath, told: Told, away: boolean): Judgement {
  const [kill] = told.kills;
  const [exit] = told.exits;
  const checks = {
    recorded: told.kills.length === 1,
    rightPod: isOf(death, kill) && isOf(death, exit),
    rightCount: [kill, exit].every((told) => isCount(death, told?.container?.restarts, away)),
    rightVictim: kill?.victim.main === true && kill.visibility === "visible",
    rightLimit: kill?.limit.scope === "container" && kill.limit.bytes === LIMIT_BYTES,
    beforeExit:
      told.killAt >= 0 && told.killAt < told.exitAt && (kill?.at ?? "~") <= (exit?.at ?? ""),
    rightVerdict:
      told.exits.length === 1 &&
      exit !== undefined &&
      isVerdictOf(away ? { ...death, reason: "" } : death, exit),
  };
  // Unknown is no mistake: the cgroup may be gone before anybody could look.
  const limitUnknown = kill !== undefined && kill.limit.scope === null;
  const wrong = Object.entries({
    ...checks,
    rightLimit: checks.rightLimit || limitUnknown,
  }).filter(([, right]) => !right);
  return {
    ...NOTHING_JUDGED,
    containers: 1,
    containerdOomKilled: Number(death.reason === "OOMKilled"),
    containerdError: Number(death.reason === "Error"),
    containerdOther: Number(death.reason !== "OOMKilled" && death.reason !== "Error"),
    recorded: Number(checks.recorded),
    rightPod: Number(checks.rightPod),
    rightCount: Number(checks.rightCount),
    rightVictim: Number(checks.rightVictim),
    rightLimit: Number(checks.rightLimit),
    beforeExit: Number(checks.beforeExit),
    rightVerdict: Number(checks.rightVerdict),
    complaints: wrong.length === 0 ? [] : [complaint(death, told, wrong)],
  };
}

function isOf(death: ContainerDeath, told: KillRecord | ExitRecord | undefined): boolean {
  const { pod, container } = told ?? {};
  return (
    pod?.uid === death.podUid &&
    pod.name === death.pod &&
    pod.namespace === death.namespace &&
    pod.container === death.name &&
    container?.name === death.name
  );
}

function isCount(
  { attempt }: ContainerDeath,
  restarts: number | null | undefined,
  away: boolean,
): boolean {
  return restarts === attempt || (away && restarts === null);
}

/** Memory was the reason, whatever containerd says; and when it says otherwise we say so. */
function isVerdictOf(death: ContainerDeath, { verdict, exitCode }: ExitRecord): boolean {
  if (death.reason === "OOMKilled") return verdict === "oom-killed" && exitCode === 137;
  if (death.reason === "Error") return verdict === "oom-unreported" && exitCode === 137;
  return verdict === "oom-killed" || verdict === "oom-unreported";
}

function complaint(
  death: ContainerDeath,
  { kills, exits }: Told,
  wrong: readonly (readonly [string, boolean])[],
): string {
  const [kill] = kills;
  const said = kills.map(({ revision, victim, pod, visibility, limit, container }) => {
    const { name, uid } = pod ?? {};
    return { revision, victim, name, uid, visibility, limit, restarts: container?.restarts };
  });
  const ends = exits.map(({ at, verdict, exitCode, kills: ids, container, pod }) => ({
    container: { name: container.name, restarts: container.restarts },
    pod,
    at,
    verdict,
    exitCode,
    ids,
  }));
  const names = wrong.map(([name]) => name).join(", ");
  const facts = { death, killAt: kill?.at, kills: said, exits: ends };
  return `${names}: ${JSON.stringify(facts)}`;
}
