import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseTraceFormat } from "./trace-format.ts";
import { KILL_EVENT_NAMES, killEventOf } from "./trace-kill-event.ts";
import { type TraceEvent, TraceReader } from "./trace-line.ts";
import { MARK_FORMAT, SIGNAL_FORMAT } from "./trace-samples.ts";

const mark = parseTraceFormat(MARK_FORMAT);
const signal = parseTraceFormat(SIGNAL_FORMAT);
assert.ok(mark !== null && signal !== null);
const formatOf = (event: TraceEvent) =>
  event.name === "mark_victim" ? mark : event.name === "signal_generate" ? signal : null;

const newReader = () =>
  new TraceReader(KILL_EVENT_NAMES, (event) => {
    const format = formatOf(event);
    return format === null || format.parse(event.body) !== null;
  });

function events(text: string): TraceEvent[] {
  return newReader()
    .push(text)
    .flatMap((item) => (item.kind === "event" ? [item.event] : []));
}

/** As the kernel prints it: `%16s-%-7d [%03d] flags %12s: `. */
function header(comm: string, pid: number, name: string): string {
  return `${comm.padStart(16)}-${String(pid).padEnd(7)} [000] d..2.   413.558257: ${name}: `;
}

const signalBody = (comm: string, pid: number) =>
  `sig=9 errno=0 code=128 comm=${comm} pid=${pid} grp=1 res=0`;
const markBody = (comm: string, pid: number) =>
  `pid=${pid} comm=${comm} total-vm=17896kB anon-rss=15232kB file-rss:968kB shmem-rss:0kB uid=0 pgtables=68kB oom_score_adj=-5`;

test("a line of trace_pipe is an event", () => {
  const [event] = events(`${header("hog", 4510, "mark_victim")}${markBody("hog", 4510)}\n`);
  assert.deepEqual(event, {
    cpu: 0,
    microseconds: 413_558_257,
    task: { pid: 4510, comm: "hog" },
    flags: "d..2.",
    name: "mark_victim",
    body: markBody("hog", 4510),
  });
});

test("a mark's sizes are bytes, whatever its fields are called", () => {
  const [event] = events(`${header("a b-1", 7, "mark_victim")}${markBody("x y", 7)}\n`);
  assert.ok(event !== undefined);
  const kill = killEventOf(event, mark);
  assert.ok(kill?.kind === "mark");
  assert.equal(kill.totalVmBytes, 17_896 * 1024);
  assert.equal(kill.pageTableBytes, 68 * 1024);
  assert.equal(kill.oomScoreAdj, -5);
  assert.equal(kill.comm, "x y");
  assert.equal(kill.task.comm, "a b-1");
});

test("the mark of an old kernel has only a pid", () => {
  const old = parseTraceFormat('name: mark_victim\nprint fmt: "pid=%d", REC->pid\n');
  assert.ok(old !== null);
  const [event] = new TraceReader(KILL_EVENT_NAMES, (e) => old.parse(e.body) !== null).push(
    `${header("hog", 9, "mark_victim")}pid=9\n`,
  );
  assert.ok(event?.kind === "event");
  const kill = killEventOf(event.event, old);
  assert.ok(kill?.kind === "mark");
  assert.deepEqual([kill.tid, kill.comm, kill.totalVmBytes], [9, null, null]);
});

test("losses are counted and comments passed over", () => {
  const items = newReader().push("# tracer: nop\n#\nCPU:1 [LOST 23 EVENTS]\n");
  assert.deepEqual(items, [{ kind: "lost", count: 23 }]);
});

const HOSTILE = [
  "x: mark_victim:",
  "] d..2. 1.1: x:",
  "a\nb",
  "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
  "-1 [000] d..1. ",
  "\npid=1 comm=x ",
  " pid=1 grp=1 ",
  "x total-vm=1kB",
  "\nCPU:1 [LOST 1",
  "<...>",
  "(12) [000]",
];

for (const name of HOSTILE) {
  test(`a process named ${JSON.stringify(name)} forges nothing`, () => hold(name, name, name));
}

/** Whatever the three names are, exactly the two events the kernel wrote come out, with their pids. */
function hold(task: string, first: string, second: string): void {
  const text = `${header(task, 11, "signal_generate")}${signalBody(first, 22)}\n${header(task, 11, "mark_victim")}${markBody(second, 33)}\n`;
  const kills = events(text).map((event) => {
    const format = formatOf(event);
    return format === null ? null : killEventOf(event, format);
  });
  assert.deepEqual(
    kills.map((kill) => [kill?.kind, kill?.task.pid, kill?.tid, kill?.comm, kill?.microseconds]),
    [
      ["signal", 11, 22, first, 413_558_257],
      ["mark", 11, 33, second, 413_558_257],
    ],
  );
}

test("no name of 15 bytes forges or hides an event", () => {
  const piece = fc.constantFrom(
    ..."-[]().:= \n0123ad",
    "pid=",
    " comm=",
    "[000]",
    "d..2.",
    " 1.000001: ",
    "mark_victim: ",
    "res=0",
    " grp=1",
    "x",
  );
  const comm = fc
    .array(piece, { minLength: 1, maxLength: 15 })
    .map((parts) => parts.join("").slice(0, 15));
  fc.assert(fc.property(comm, comm, comm, hold), { numRuns: 3000, seed: 20_261_120 });
});

test("where the text is cut into chunks does not matter", () => {
  const text = `${header("a\nb", 1, "signal_generate")}${signalBody("c\n\nd", 2)}\nCPU:0 [LOST 2 EVENTS]\n${header("x", 1, "mark_victim")}${markBody("e\n", 3)}\n`;
  const whole = newReader().push(text);
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
      const reader = newReader();
      const places = [0, ...cuts.sort((a, b) => a - b), text.length];
      const items = places.flatMap((place, i) =>
        reader.push(text.slice(place, places[i + 1] ?? place)),
      );
      assert.deepEqual(items, whole);
    }),
    { seed: 7 },
  );
});

test("a line that never ends is given up, and the next one is read", () => {
  const reader = newReader();
  const items = reader.push(
    `${header("x", 1, "mark_victim")}pid=1 comm=x\n${header("x", 1, "mark_victim")}${markBody("y", 2)}\n`,
  );
  assert.deepEqual(
    items.map((item) => item.kind),
    ["broken", "event"],
  );
  assert.deepEqual(reader.push("y".repeat(100_000)), []);
});

test("what stands within the reach of somebody's text is no event, whatever it looks like", () => {
  const mark = `${header("hog", 4510, "mark_victim")}${markBody("hog", 4510)}\n`;
  const signal = `${header("hog", 4510, "signal_generate")}${signalBody("hog", 4510)}\n`;
  for (const name of ["tracing_mark_write", "print", "my_module_init", "sched_switch"]) {
    const reader = newReader();
    const kindsOf = (text: string) => reader.push(text).map(({ kind }) => kind);
    const forged = `${header("bash", 7, name)}x\n${signal}${mark}`;
    assert.deepEqual(kindsOf(forged), ["foreign", "foreign", "foreign"], name);
    assert.deepEqual(kindsOf(mark), ["foreign"], "it may be cut between two readings");
    reader.trustAgain();
    assert.deepEqual(kindsOf(signal + mark), ["event", "event"]);
    const far = `${header("bash", 7, name)}${"x\n".repeat(4200)}`;
    assert.deepEqual(kindsOf(far + mark), ["foreign", "event"], "no text is so long");
  }
});

test("a forged event cannot complete one whose line is cut by a name", () => {
  const start = `${header("hog", 4510, "mark_victim")}pid=4510 comm=a`;
  const items = newReader().push(`${start}\n${header("bash", 7, "tracing_mark_write")}x\n`);
  assert.deepEqual(
    items.map(({ kind }) => kind),
    ["broken", "foreign"],
  );
});
