import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type KillFinding,
  KillPairing,
  type KillPairingOptions,
  type MarkEvent,
  type SignalEvent,
} from "./trace-kill.ts";

const base = (at: number, task: number, tid: number) => ({
  cpu: 0,
  microseconds: at,
  task: { pid: task, comm: "task" },
  tid,
  comm: `c${tid}`,
});

function signal(at: number, task: number, tid: number, depth: number | null = 2): SignalEvent {
  return { kind: "signal", ...base(at, task, tid), depth, interrupt: false };
}

function mark(at: number, task: number, tid: number, depth: number | null = 1): MarkEvent {
  const sizes = { totalVmBytes: 4096, anonRssBytes: 0, fileRssBytes: 0, shmemRssBytes: 0 };
  const rest = { tgid: null, uid: 0, oomScoreAdj: 0, pageTableBytes: 0 };
  return { kind: "mark", ...base(at, task, tid), depth, ...rest, ...sizes };
}

type Row = SignalEvent | MarkEvent;

/** What was found, in short: `kill 5 of 0:14`, `repeat`, `sharer`, …; runs are ended at the last. */
function found(rows: readonly Row[], options: Partial<KillPairingOptions> = {}): string[] {
  const pairing = new KillPairing(options);
  const findings = [...rows.flatMap((row) => pairing.push(row)), ...pairing.settle(1e12)];
  return [
    ...findings.map(short),
    ...(pairing.phantoms > 0 ? [`${pairing.phantoms} phantoms`] : []),
  ];
}

function short(finding: KillFinding): string {
  if (finding.kind === "kill") {
    return `kill ${finding.mark.tid} of ${finding.incident}${finding.group ? " group" : ""}`;
  }
  if (finding.kind === "repeat") {
    return `repeat ${finding.first.tid} of ${finding.incident}: ${finding.members.join(" ")}`;
  }
  return `${finding.kind} ${finding.signal.tid} of ${finding.incident}`;
}

test("a signal and its mark are a kill", () => {
  assert.deepEqual(found([signal(0, 1, 5), mark(14, 1, 5)]), ["kill 5 of 0:14"]);
});

test("a mark alone is a phantom: of nobody's signal, another's, or one long ago", () => {
  assert.deepEqual(found([mark(14, 1, 5)]), ["1 phantoms"]);
  assert.deepEqual(found([signal(0, 2, 5), mark(14, 1, 5)]), ["1 phantoms"]);
  assert.deepEqual(found([signal(0, 1, 6), mark(14, 1, 5)]), ["1 phantoms"]);
  assert.deepEqual(found([signal(0, 1, 5), mark(200_000, 1, 5)]), ["1 phantoms"]);
  const kernelTimer: SignalEvent = { ...signal(0, 5, 5), interrupt: true };
  assert.deepEqual(found([kernelTimer, mark(14, 5, 5)]), ["1 phantoms"]);
});

test("a group kill is one incident; its first victim is killed twice and reported once", () => {
  const rows = [
    ...[signal(0, 1, 5), mark(14, 1, 5)],
    ...[signal(100, 1, 4), mark(110, 1, 4)],
    signal(200, 1, 5),
    ...[signal(300, 1, 6), mark(310, 1, 6)],
  ];
  assert.deepEqual(found(rows), [
    "kill 5 of 0:14",
    "kill 4 of 0:110",
    "repeat 5 of 0:14: 0:14 0:110",
    "kill 6 of 0:14 group",
  ]);
});

test("without memory.oom.group the same is no group kill", () => {
  const rows = [signal(0, 1, 5), mark(14, 1, 5), signal(200, 1, 5)];
  assert.deepEqual(found(rows, { mayBeGroup: () => false }), ["kill 5 of 0:14"]);
});

test("the first victim is killed again once, however often it is signalled", () => {
  const rows = [signal(0, 1, 5), mark(14, 1, 5), signal(200, 1, 5), signal(210, 1, 5)];
  assert.deepEqual(found(rows), ["kill 5 of 0:14", "repeat 5 of 0:14: 0:14"]);
});

test("a process that shares the victim's memory has its signal without the task lock", () => {
  assert.deepEqual(found([signal(0, 1, 5), mark(14, 1, 5), signal(2000, 1, 6, 1)]), [
    "kill 5 of 0:14",
    "sharer-suspected 6 of 0:14",
    "sharer 6 of 0:14",
  ]);
});

test("a sharer that is a member of the group is a kill, and not the repeat of another", () => {
  const rows = [
    ...[signal(0, 1, 5), mark(14, 1, 5), signal(20, 1, 6, 1)],
    ...[signal(100, 1, 6), mark(110, 1, 6), signal(120, 1, 5, 1)],
    signal(200, 1, 5),
  ];
  assert.deepEqual(found(rows), [
    "kill 5 of 0:14",
    "sharer-suspected 6 of 0:14",
    "kill 6 of 0:110",
    "repeat 5 of 0:14: 0:14 0:110",
  ]);
});

test("the end of a pid namespace is silence: its signals come later and with the task list locked", () => {
  const rows = [signal(0, 1, 1), mark(14, 1, 1), signal(3800, 1, 2), signal(3804, 1, 3)];
  assert.deepEqual(found(rows), ["kill 1 of 0:14"]);
});

test("kernels that do not count locks: suspects only right after the mark", () => {
  const early = [signal(0, 1, 5, null), mark(14, 1, 5, null), signal(500, 1, 6, null)];
  assert.deepEqual(found(early), [
    "kill 5 of 0:14",
    "sharer-suspected 6 of 0:14",
    "sharer 6 of 0:14",
  ]);
  const late = [signal(0, 1, 5, null), mark(14, 1, 5, null), signal(9000, 1, 6, null)];
  assert.deepEqual(found(late), ["kill 5 of 0:14"]);
});

test("kills of two tasks at once do not mix", () => {
  const rows = [signal(0, 1, 5), signal(2, 2, 6), mark(14, 1, 5), mark(15, 2, 6), signal(90, 2, 6)];
  assert.deepEqual(found(rows), ["kill 5 of 0:14", "kill 6 of 0:15", "repeat 6 of 0:15: 0:15"]);
});

test("any run of separate kills is found, each once, under bounded memory", () => {
  const kill = fc.record({
    task: fc.nat(2000),
    tid: fc.nat(5000),
    gap: fc.integer({ min: 1, max: 400_000 }),
  });
  fc.assert(
    fc.property(fc.array(kill, { maxLength: 600 }), (kills) => {
      const pairing = new KillPairing({ mayBeGroup: () => false });
      const sequences = new Set<string>();
      let at = 0;
      let expected = 0;
      const marked = new Set<string>();
      for (const { task, tid, gap } of kills) {
        at += gap + 20;
        // A thread is marked once in its life, so a task cannot kill it twice.
        if (marked.has(`${tid}`)) continue;
        marked.add(`${tid}`);
        expected++;
        for (const row of [signal(at, task, tid), mark(at + 10, task, tid)]) {
          for (const finding of pairing.push(row)) {
            if (finding.kind === "kill") sequences.add(finding.sequence);
          }
        }
      }
      assert.equal(sequences.size, expected);
      assert.equal(pairing.phantoms, 0);
    }),
    { seed: 11 },
  );
});
