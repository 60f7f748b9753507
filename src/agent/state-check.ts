import type { Kill } from "../ledger/ledger.ts";
import type { RuntimeObservation } from "../model/container.ts";
import { RUNTIME_SOURCE_NAMES } from "../model/observation.ts";
import {
  type Check,
  fits,
  flag,
  listOf,
  mapOf,
  number,
  oneOf,
  orMissing,
  orNull,
  shape,
  text,
  whole,
} from "../sinks/stored-shape.ts";
import type { Checkpoint } from "./journal.ts";

/**
 * The shape of the books on disk: all that reading them relies on. Their bytes are proven by a checksum; this is for files
 * of another version and for those that somebody edited.
 */
const INSTANT = shape({
  monotonicMicroseconds: number,
  wallMicroseconds: number,
  uncertaintyMicroseconds: number,
});
const NAMES = listOf(text);
const WINDOW = shape({ from: number, to: number });
const RUNTIME = oneOf(...RUNTIME_SOURCE_NAMES);

const KILL = shape({
  id: text,
  revision: whole,
  at: INSTANT,
  window: orNull(WINDOW),
  victim: orNull(shape({ tid: number, pid: orNull(number), comm: orNull(text) })),
  cgroup: orNull(shape({ path: text, id: orNull(number), version: oneOf(1, 2, null) })),
  attribution: text,
  limit: orNull(shape({ cgroup: orNull(text), bytes: orNull(number) })),
  trigger: orNull(shape({ pid: orNull(number), comm: orNull(text) })),
  evidence: mapOf(text),
  incidents: mapOf(text),
  group: flag,
  doubled: flag,
  counted: flag,
  recovered: flag,
  inNodeBook: oneOf("yes", "no", "perhaps"),
  openedAt: number,
  witnesses: NAMES,
  identity: orMissing(orNull(shape({ container: orNull(shape({})), pod: orNull(shape({})) }))),
  times: orMissing(mapOf(number)),
  duplicateOf: orMissing(orNull(text)),
  told: orMissing(orNull(number)),
});

const COUNT = shape({
  base: number,
  groupBase: orNull(number),
  value: number,
  groupValue: orNull(number),
  openedAt: number,
  readAt: number,
  wallOffset: number,
  steps: listOf(shape({ from: number, to: number, delta: number })),
});

const LEDGER = shape({
  node: orNull(COUNT),
  totals: mapOf(number),
  books: listOf(
    shape({
      identity: shape({ kind: oneOf("cgroup"), path: text, id: orNull(number), extent: text }),
      count: COUNT,
      explained: number,
      doubled: number,
      final: flag,
    }),
  ),
  kills: listOf(KILL),
  untold: NAMES,
});

const LABELLED = listOf(shape({ labels: mapOf(text), value: number }));
const OWNER = { namespace: text, pod: text, container: text };
const METRICS = shape({
  kills: LABELLED,
  incidents: LABELLED,
  lastKillSeconds: LABELLED,
  unattributed: number,
  recovered: number,
  invisibleKills: orMissing(LABELLED),
  exits: orMissing(LABELLED),
  podKills: orMissing(LABELLED),
  owners: orMissing(listOf(shape({ ...OWNER, goneSince: orNull(number) }))),
  containers: orMissing(
    listOf(
      shape({
        id: text,
        runtime: text,
        runs: number,
        told: number,
        ooms: number,
        exitCode: number,
      }),
    ),
  ),
  open: orMissing(
    listOf(shape({ id: text, seconds: number, name: shape(OWNER), counted: flag, closed: flag })),
  ),
  seen: orMissing(NAMES),
});

const CONTAINERS = shape({
  inventory: shape({
    entries: listOf(
      shape({
        id: text,
        facts: mapOf(shape({ value: text, weight: number })),
        starts: listOf(shape({ pid: orNull(number), firstSeen: number, lastSeen: number })),
        endings: listOf(shape({ at: INSTANT, exitCode: orNull(number), told: flag })),
        closed: listOf(shape({ pid: orNull(number) })),
        reports: listOf(number),
        presence: mapOf(shape({ present: flag, at: number })),
        named: mapOf(shape({ pid: orNull(number), at: number })),
        sources: listOf(RUNTIME),
        describedAt: mapOf(number),
        sandbox: flag,
        heardAt: number,
      }),
    ),
    lists: listOf(shape({ source: RUNTIME, at: number, ids: NAMES })),
    gaps: listOf(shape({ source: RUNTIME, gaps: listOf(shape({ to: orNull(number) })) })),
  }),
  kills: listOf(
    shape({ id: text, at: INSTANT, cgroup: shape({}), limit: shape({}), victim: shape({}) }),
  ),
  watchingSince: orNull(number),
  wallOffset: orNull(number),
  toldBefore: listOf(shape({ id: text, wallMicroseconds: number, exitCode: orNull(number) })),
  savedAt: number,
});

const CHECKPOINT = shape({
  version: oneOf(1),
  bootId: text,
  sequence: whole,
  generation: orMissing(whole),
  ledger: orNull(LEDGER),
  cursors: mapOf(text),
  metrics: METRICS,
  unsettled: orMissing(NAMES),
  containers: orMissing(CONTAINERS),
});

const OF_CONTAINER = { source: RUNTIME, at: INSTANT, containerId: text };
const HEARD: readonly Check[] = [
  shape({
    kind: oneOf("container"),
    source: RUNTIME,
    at: INSTANT,
    container: shape({
      runtime: text,
      id: text,
      name: orNull(text),
      pod: orNull(shape({})),
      sandbox: flag,
      cgroupPath: orNull(text),
      mainPid: orNull(number),
      startedAt: orNull(INSTANT),
    }),
  }),
  shape({
    ...OF_CONTAINER,
    kind: oneOf("exit"),
    exitCode: orNull(number),
    mainPid: orNull(number),
    oomReported: orNull(flag),
  }),
  shape({ ...OF_CONTAINER, kind: oneOf("oom-report", "gone") }),
  shape({ kind: oneOf("list"), source: RUNTIME, at: INSTANT, containerIds: NAMES }),
];

export function isCheckpoint(value: unknown): value is Checkpoint {
  return fits(CHECKPOINT, value);
}

export function isKill(value: unknown): value is Kill {
  return fits(KILL, value);
}

export function isRuntimeObservation(value: unknown): value is RuntimeObservation {
  return HEARD.some((check) => fits(check, value));
}
