/** Laws of the reader of whole reports, on real logs (fixtures/reports) in every form a log can reach it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { OomReport } from "../src/model/report.ts";
import { factsOf, killsOf, readText, recordedLogs, reportsOf } from "./report-reading.ts";
import { type KernelLine, WRAPS } from "./report-style-kit.ts";
import { STYLES } from "./report-styles.ts";

const LOGS = recordedLogs();
const log = fc.constantFrom(...LOGS);
const style = fc.constantFrom(...STYLES);

/** The victims whose own line is among the lines: what a reader must find. */
function victimsIn(lines: readonly KernelLine[]): ReadonlySet<number> {
  const victims = lines.flatMap(({ text }) => {
    const pid = /^(?:Memory cgroup out|Out) of memory.*: Killed process (\d+) /.exec(text)?.[1];
    return pid === undefined ? [] : [Number(pid)];
  });
  return new Set(victims);
}

/** Whom the lines name at all: victims, and those that only a summary names. */
function namedIn(lines: readonly KernelLine[]): ReadonlySet<number> {
  const named = lines.flatMap(({ text }) => {
    const pid = /,pid=(\d+),uid=\d+$/.exec(text)?.[1] ?? /reaped process (\d+)/.exec(text)?.[1];
    return pid === undefined ? [] : [Number(pid)];
  });
  return new Set([...named, ...victimsIn(lines)]);
}

function checkVictims(text: string, whole: readonly KernelLine[], kept: readonly KernelLine[]) {
  const kills = killsOf(readText(text));
  // Of a summary that is cut off in its last figures the name is left.
  const found = kills.filter(({ outcome }) => outcome !== "summary");
  const named = namedIn(whole);
  for (const { victim, outcome } of kills) {
    const known = victim.tid === null ? outcome === "summary" : named.has(victim.tid);
    assert.ok(known, `${victim.tid} was not killed (${outcome})`);
  }
  const tids = found.map((kill) => kill.victim.tid);
  // By its summary at least: the line of a group's first victim stands far from its report.
  const told = new Set(kills.map((kill) => kill.victim.tid));
  for (const tid of victimsIn(kept)) assert.ok(told.has(tid), `${tid} was killed`);
  assert.equal(new Set(tids).size, tids.length, `told twice: ${tids.join(" ")}`);
}

test("in every form each log tells the same, to the last figure", () => {
  assert.ok(LOGS.length > 10);
  for (const { name, lines } of LOGS) {
    const plain = STYLES[0]?.write(lines) ?? "";
    const wanted = factsOf(readText(plain));
    assert.deepEqual(
      new Set(killsOf(readText(plain)).map((kill) => kill.victim.tid)),
      victimsIn(lines),
    );
    for (const form of STYLES) {
      assert.deepEqual(factsOf(readText(form.write(lines))), wanted, `${name} as ${form.name}`);
    }
  }
});

test("of a log that is cut off before and behind, the kills that are left are told, and no others", () => {
  fc.assert(
    fc.property(log, style, fc.nat(), fc.nat(), fc.nat(40), ({ lines }, form, from, to, cut) => {
      const start = from % lines.length;
      const kept = lines.slice(start, start + 1 + (to % (lines.length - start)));
      // The last line is cut in its middle: it is evidence only when nothing is missing.
      const text = form.write(kept).slice(0, cut === 0 ? undefined : -cut);
      checkVictims(text, lines, cut === 0 ? kept : kept.slice(0, -1 - cut));
    }),
    { numRuns: 400 },
  );
});

test("of a log of which lines are missing, the kills that are left are told, and no others", () => {
  const holes = fc.array(fc.nat(999), { maxLength: 40 });
  fc.assert(
    fc.property(log, style, holes, ({ lines }, form, gone) => {
      const missing = new Set(gone.map((index) => index % lines.length));
      const kept = lines.filter((_line, index) => !missing.has(index));
      checkVictims(form.write(kept), lines, kept);
    }),
    { numRuns: 300 },
  );
});

const PRINTED = ["dmesg", "dmesg -T", "syslog", "journalctl -o short-iso", "journalctl -o cat"];

test("lines that terminals and mail programs broke tell the same kills", () => {
  for (const { name, lines } of LOGS) {
    for (const form of STYLES.filter((one) => PRINTED.includes(one.name))) {
      for (const { name: by, wrap } of WRAPS) {
        try {
          checkVictims(wrap(form.write(lines)), lines, lines);
        } catch (error) {
          assert.fail(`${name} as ${form.name}, broken by ${by}: ${String(error)}`);
        }
      }
    }
  }
});

const FOREIGN = fc.constantFrom(
  "usb 1-1: new high-speed USB device number 2 using xhci_hcd",
  'audit: type=1400 audit(1.2:3): apparmor="DENIED" comm="java" pid=77 name="/x"',
  "systemd-journald[231]: Under memory pressure, flushing caches.",
  "nginx: worker process 77 exited on signal 9",
  "java: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO), nodemask=(null)",
  "docker0: port 2(veth7) entered disabled state",
  "TCP: out of memory -- consider tuning tcp_mem",
  "hog[99]: segfault at 0 ip 00007f sp 00007f error 4 in libc.so.6[7f]",
  "INFO: task kworker/0:1:77 blocked for more than 120 seconds.",
  "",
);

test("lines of others between those of a report change no kill", () => {
  const strangers = fc.array(fc.tuple(fc.nat(999), FOREIGN), { maxLength: 60 });
  fc.assert(
    fc.property(log, style, strangers, ({ lines }, form, inserted) => {
      const mixed = [...lines];
      for (const [at, text] of inserted) {
        const index = at % mixed.length;
        const microseconds = mixed[index]?.microseconds ?? 0;
        mixed.splice(index, 0, { priority: 6, microseconds, text });
      }
      checkVictims(form.write(mixed), lines, lines);
    }),
    { numRuns: 300 },
  );
});

test("logs of two machines, line by line into each other, tell what each tells alone", () => {
  const order = fc.infiniteStream(fc.boolean());
  const form = STYLES.find(({ name }) => name === "syslog") ?? STYLES[0];
  fc.assert(
    fc.property(log, log, order, (first, second, turns) => {
      const texts = [first, second].map(({ lines }, index) =>
        (form?.write(lines) ?? "").replaceAll(" worker-3 ", ` worker-${index} `),
      );
      const [left, right] = texts.map((text) => text.split("\n").slice(0, -1).toReversed());
      const mixed: string[] = [];
      while ((left?.length ?? 0) + (right?.length ?? 0) > 0) {
        const queue = turns.next().value === true ? left : right;
        const line = queue?.pop();
        if (line !== undefined) mixed.push(line);
      }
      const together = factsOf(readText(mixed.join("\n")));
      const apart = texts.flatMap((text) => factsOf(readText(text)) as unknown[]);
      const sorted = (facts: unknown) =>
        (facts as unknown[]).map((fact) => JSON.stringify(fact)).toSorted();
      assert.deepEqual(sorted(together), sorted(apart));
    }),
    { numRuns: 40 },
  );
});

test("several logs in one text are told in their order", () => {
  const noise = fc.integer({ min: 0, max: 300 });
  fc.assert(
    fc.property(fc.array(fc.tuple(log, style, noise), { maxLength: 4 }), (parts) => {
      const texts = parts.map(([{ lines }, form, count]) => {
        const foreign = { priority: 6, microseconds: 1, text: "eth0: link up" };
        const text = form.write([...lines, ...Array.from({ length: count }, () => foreign)]);
        return { text, reports: reportsOf(readText(form.write(lines))) };
      });
      const together = reportsOf(readText(texts.map(({ text }) => text).join("")));
      const apart = texts.flatMap(({ reports }) => reports);
      // The same log twice, with the same stamps, is one log told twice.
      const distinct = new Set(parts.map(([{ name }]) => name)).size === parts.length;
      if (!distinct) return;
      const victims = (reports: readonly OomReport[]) =>
        reports.flatMap(({ kills }) => kills.map((kill) => kill.victim.tid));
      assert.deepEqual(victims(together), victims(apart));
    }),
    { numRuns: 100 },
  );
});

test("an excerpt before its log changes nothing, nor does the log a second time", () => {
  const form = STYLES.find(({ name }) => name === "dmesg") ?? STYLES[0];
  const excerpts = [
    / Killed process /,
    / Killed process |no killable|Kernel panic/,
    /invoked oom-killer| Killed process |oom-kill:|no killable|Kernel panic/,
  ];
  for (const { name, lines } of LOGS) {
    const whole = form?.write(lines) ?? "";
    const wanted = factsOf(readText(whole)) as unknown[];
    for (const excerpt of excerpts) {
      const first = lines.filter(({ text }) => excerpt.test(text)).slice(-3);
      const text = `${form?.write(first) ?? ""}\nThe whole log:\n${whole}`;
      const told = factsOf(readText(text)) as unknown[];
      assert.deepEqual(new Set(told.map((one) => JSON.stringify(one))).size, told.length, name);
      assert.equal(told.length, wanted.length, `${name}, after ${excerpt}`);
    }
    assert.deepEqual(factsOf(readText(whole + whole)), wanted, `${name} twice`);
  }
});

test("no text makes it throw, and none is told that holds no report", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 200, unit: "binary" }), { maxLength: 50 }),
      (lines) => {
        assert.deepEqual(killsOf(readText(lines.join("\n"))), []);
      },
    ),
    { numRuns: 200 },
  );
});
