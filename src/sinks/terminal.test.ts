import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutputRecord } from "../model/record.ts";
import { createTerminal, type TerminalOptions, type TerminalSink } from "./terminal.ts";
import type { TerminalOutput } from "./terminal-screen.ts";
import {
  agentView,
  CONTAINER,
  exitRecord,
  killRecord,
  LEDGER,
  type ManualClock,
  manualClock,
  POD,
  SOURCE,
  USERSPACE_KILL,
} from "./testing/records.ts";

interface Bench {
  readonly sink: TerminalSink;
  readonly clock: ManualClock;
  /** Everything written since the last call. */
  taken(): string;
  put(...records: OutputRecord[]): void;
}

function bench(interactive: boolean, change: Partial<TerminalOptions> = {}): Bench {
  const clock = manualClock();
  let written = "";
  const output: TerminalOutput = {
    interactive,
    colour: false,
    unicode: true,
    size: () => ({ columns: interactive ? 80 : null, rows: 24 }),
    write: (text) => {
      written += text;
    },
    onResize: () => () => undefined,
  };
  const sink = createTerminal({
    output,
    clock,
    view: agentView(),
    kernel: "6.18.44",
    offsetMinutes: () => 0,
    note: () => "",
    notes: () => [],
    style: "table",
    ...change,
  });
  let sequence = 0;
  return {
    sink,
    clock,
    taken: () => {
      const text = written;
      written = "";
      return text;
    },
    put: (...records) => sink.accept(records.map((record) => ({ sequence: ++sequence, record }))),
  };
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

test("on a pipe a kill is one line, printed once, with what the first 120 ms brought", () => {
  const { sink, clock, taken, put } = bench(false);
  clock.advance(200);
  assert.match(taken(), /^oomwitness 0\.1\.0 · worker-3 · Linux 6\.18\.44\nkernel-log ✓\n\nTIME/);
  put(killRecord(1, { witnesses: ["kernel-log"], attribution: "none" }));
  clock.advance(60);
  assert.equal(taken(), "");
  put(killRecord(1, { revision: 1, witnesses: ["kernel-log", "tracefs", "vmstat"] }));
  clock.advance(200);
  assert.equal(
    taken(),
    "23:10:05.001  hog[1001]                child      19 MiB  20 MiB memcg    KT··V= /docker/df1c\n",
  );
  put(killRecord(1, { revision: 2 }));
  clock.advance(5_000);
  assert.equal(taken(), "");
  void sink.close();
  assert.equal(
    taken(),
    "1 kill in 5 s\nkernel 12 · recorded 12 · unaccounted 0 · unattributed 0\n",
  );
});

test("on a pipe the members of a group are joined", () => {
  const { clock, taken, put } = bench(false);
  clock.advance(200);
  taken();
  const incident = { id: "g", group: true };
  put(
    killRecord(1, { incident }),
    killRecord(2, { incident }),
    killRecord(3, { incident }),
    killRecord(4),
  );
  clock.advance(300);
  const signs = taken()
    .split("\n")
    .map((line) => line.charAt(13));
  assert.deepEqual(signs, ["┌", "├", "└", " ", ""]);
});

test("a container's exit comes below its kills, also on a pipe; one that tells nothing does not", () => {
  for (const interactive of [false, true]) {
    const { clock, taken, put } = bench(interactive);
    clock.advance(200);
    put(killRecord(1, { container: CONTAINER }));
    clock.advance(50);
    put(exitRecord(2), exitRecord(3, { verdict: "not-oom", exitCode: 1, kills: [] }));
    put(killRecord(1, { container: CONTAINER, revision: 1 }), USERSPACE_KILL);
    clock.advance(8_000);
    const words = taken().match(/hog\[|exit \d+|systemd-oomd killed/g) ?? [];
    assert.deepEqual(words.slice(-3), ["hog[", "exit 137", "systemd-oomd killed"]);
  }
});

test("on a terminal a child's kill stays live until it is known whether its container survived it", () => {
  const { clock, taken, put } = bench(true);
  const kill = { container: CONTAINER, visibility: "pending" } as const;
  clock.advance(200);
  put(killRecord(1, kill));
  clock.advance(3_500);
  assert.equal(count(taken(), "hog["), 1, "painted, and not yet once more for good");
  put(killRecord(1, { ...kill, revision: 1, visibility: "invisible" }));
  clock.advance(3_500);
  assert.match(taken(), /hog\[1001\] {8}invisible/);
  put(killRecord(1, { ...kill, revision: 2, visibility: "invisible" }));
  clock.advance(5_000);
  assert.doesNotMatch(taken(), /hog/);
});

test("on a pipe it is one more line, once, and the summary counts it", async () => {
  const { clock, taken, put, sink } = bench(false);
  const kill = { container: CONTAINER, visibility: "pending" } as const;
  clock.advance(200);
  put(killRecord(1, kill), killRecord(2, kill));
  clock.advance(500);
  assert.equal(count(taken(), "hog["), 2);
  for (const revision of [1, 2]) {
    put(killRecord(1, { ...kill, revision, visibility: "invisible" }));
    put(killRecord(2, { ...kill, revision, visibility: "visible" }));
    clock.advance(200);
  }
  assert.equal(taken(), "23:10:05.001  hog[1001] was invisible: api lives on\n");
  await sink.close();
  assert.match(taken(), /^2 kills in 1 s, 1 invisible\n/);
});

test("an amendment of a kill that an earlier process opened prints nothing", () => {
  const { clock, taken, put } = bench(false);
  clock.advance(200);
  taken();
  put(killRecord(1, { revision: 3 }));
  clock.advance(1_000);
  assert.equal(taken(), "");
});

test("on a terminal a line is amended in place and settles when it was left alone", () => {
  const { clock, taken, put } = bench(true);
  clock.advance(200);
  assert.match(taken(), /Watching since 23:10\. No kill yet\./);
  put(killRecord(1));
  clock.advance(50);
  assert.match(taken(), /child .* \/docker\/df1c/);
  put(killRecord(1, { revision: 1, container: CONTAINER, pod: POD, visibility: "invisible" }));
  clock.advance(50);
  assert.match(taken(), /invisible .* shop\/cart-0\/api/);
  clock.advance(2_000);
  assert.equal(taken(), "", "nothing changed, nothing is painted");
  clock.advance(2_000);
  // Settled: printed for good, followed by the ledger line alone.
  assert.match(taken(), /hog\[1001\].*\r\n\r\x1b\[2K\r\n\r\x1b\[2Kkernel 12/);
});

test("in a storm every kill is printed for good exactly once, however many come", async () => {
  const { sink, clock, taken, put } = bench(true);
  clock.advance(200);
  for (let number = 1; number <= 300; number++) {
    put(killRecord(number));
    clock.advance(1);
  }
  clock.advance(10_000);
  await sink.close();
  const text = taken();
  for (let number = 1; number <= 300; number++) {
    const settled = new RegExp(`hog\\[${1_000 + number}\\][^\\r]*\\r\\n`);
    assert.match(text, settled);
  }
  assert.match(text, /300 kills in 1[01] s/);
});

test("records that keep coming do not put the picture off", () => {
  const { clock, taken, put } = bench(true);
  clock.advance(200);
  taken();
  for (let number = 1; number <= 20; number++) {
    put(killRecord(number));
    clock.advance(10);
  }
  assert.match(taken(), /hog\[1001\]/);
});

test("a view in which nothing happens schedules nothing", () => {
  let scheduled = 0;
  const clock = manualClock();
  const counting = {
    ...clock,
    after: (milliseconds: number, call: () => void) => {
      scheduled += 1;
      return clock.after(milliseconds, call);
    },
  };
  bench(true, { clock: counting });
  clock.advance(500);
  const before = scheduled;
  clock.advance(60_000);
  assert.equal(scheduled, before);
});

test("a flood that never settles is bounded", () => {
  const { clock, taken, put } = bench(false);
  for (let number = 1; number <= 5_000; number++) put(killRecord(number));
  clock.advance(200);
  assert.equal(count(taken(), "hog["), 5_000);
});

test("a source that changes is told once, with its reason", () => {
  const { clock, taken, put } = bench(false);
  clock.advance(200);
  taken();
  const down = { ...SOURCE, state: "down", reason: "EPIPE" } as const;
  put(down, { ...down, lost: 5 }, LEDGER);
  clock.advance(200);
  assert.equal(taken(), "23:10:05.200 kernel-log down: EPIPE\n");
});

test("in a log each kill is a sentence and there is no table", () => {
  const { clock, taken, put, sink } = bench(false, {
    style: "log",
    notes: () => ["listening on http://127.0.0.1:9137"],
  });
  sink.say("records are not being stored: disk full");
  clock.advance(200);
  put(killRecord(1));
  clock.advance(200);
  const text = taken();
  assert.match(
    text,
    /^oomwitness .*\nkernel-log ✓\nlistening on http:\/\/127\.0\.0\.1:9137\nrecords are not/,
  );
  assert.match(text, /23:10:05\.001 killed hog\[1001\] child memory 19 MiB .* id k00000001\n$/);
});

test("the header waits for the sources, but not for ever", () => {
  const { clock, taken } = bench(false, { view: agentView({ ready: () => false }) });
  clock.advance(1_500);
  assert.equal(taken(), "");
  clock.advance(1_000);
  assert.match(taken(), /^oomwitness/);
});

test("a note below the header is safe to print and no wider than the terminal", () => {
  const { clock, taken } = bench(true, {
    notes: () => [`showing only: pod a\n\x1b[31m${"b".repeat(99)}`],
  });
  clock.advance(1_000);
  const lines = taken()
    .split("\r\n")
    .filter((line) => /showing|bbb/.test(line));
  assert.match(lines.join(""), /showing only: pod.*a\\x0a\\x1b\[31mb/s);
  for (const line of lines) assert.ok(line.replace("\r\x1b[2K", "").length <= 80, line);
});

test("a program that could not start prints nothing", async () => {
  const { clock, taken, sink } = bench(false, { notes: () => null });
  clock.advance(100);
  sink.silence();
  await sink.close();
  assert.equal(taken(), "");
});

const WHY = {
  findings: [],
  advice: [],
  memory: null,
  ranking: [],
  taskCount: null,
  rankingAgrees: null,
};

test("why a kill happened is one line below it, once for a run of the killer and once a minute for the same", () => {
  const { sink, clock, taken, put } = bench(false);
  const tell = (number: number, incident = `i${number}`) => {
    const record = killRecord(number, { incident: { id: incident, group: false } });
    const headline = `hog[${1000 + number}] killed: \x1b[31mcontainer api hit its limit`;
    sink.explain?.([{ record, explanation: { ...WHY, headline } }]);
  };
  put(killRecord(1), killRecord(2));
  clock.advance(300);
  taken();
  tell(1);
  tell(2);
  tell(1);
  clock.advance(300);
  const text = taken();
  assert.match(
    text,
    /^23:10:05\.001 {2}why hog\[1001\] killed: \S*\[31mcontainer api hit its limit\n$/,
  );
  assert.doesNotMatch(text, /\x1b/);
  clock.advance(61_000);
  tell(3);
  clock.advance(300);
  assert.match(taken(), /why hog\[1003\]/);
});

test("on a terminal the line that says why is no wider than the terminal and stands below its kill", () => {
  const { sink, clock, taken, put } = bench(true);
  put(killRecord(1));
  clock.advance(500);
  const headline = `hog[1001] killed: ${"container api hit its limit ".repeat(4)}`;
  sink.explain?.([{ record: killRecord(1), explanation: { ...WHY, headline } }]);
  clock.advance(500);
  const live = taken();
  assert.match(live, /hog\[1001\][^\n]*\n[^\n]*23:10:05 {2}why hog\[1001\]/);
  const why = live.split("\n").find((line) => line.includes("why hog")) ?? "";
  assert.equal(why.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").trim().length, 80);
});

test("a log has the line that says why with the kill's id", () => {
  const { sink, clock, taken, put } = bench(false, { style: "log" });
  put(killRecord(1));
  const record = killRecord(1);
  sink.explain?.([{ record, explanation: { ...WHY, headline: "hog[1001] killed: so it is" } }]);
  clock.advance(500);
  assert.match(taken(), /23:10:05\.001 why hog\[1001\] killed: so it is id k00000001\n/);
});
