/** Laws of the assembler on logs that a kernel could write and nobody recorded: storms, cut lines, hostile names. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import fc from "fast-check";
import { assemble, assembleText, cut, isKill, LAWS } from "./kernel-log-reading.ts";
import { KernelLogWriter } from "./kernel-log-writer.ts";

const COMM = fc.oneof(
  fc.constantFrom(
    "x) Killed proce",
    "a\nb",
    "q\"uo'te",
    "oom-kill:constr",
    ",pid=1,uid=0",
    "x,task=y,pid=1",
    "a) total-vm:9kB",
    "Killed process ",
    "Tasks in /x",
    "[1] 2 3 4 x",
    "swap: usage ",
    "\\x0a",
    "tmux: server",
    "runc:[2:INIT]",
    "",
  ),
  fc.string({ maxLength: 15, unit: "binary-ascii" }),
);
const CGROUP = fc.constantFrom(
  "/",
  "/a",
  "/kubepods.slice/kubepods-pod1.slice/cri-containerd-abc.scope",
  "/x,task_memcg=/y",
  "/a,task=b,pid=3,uid=4",
  "/user.slice/a b) c",
);
/** What other processors may print in between; none of it is a kill. */
const FOREIGN = fc.record({
  priority: fc.constantFrom(4, 6, 12, 14, 30),
  text: fc.constantFrom(
    "usb 1-1: new high-speed USB device number 2",
    "oom_reaper: reaped process 7 (old), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
    "eth0: link up",
    'audit: type=1400 audit(1.2:3): comm="x"',
  ),
});

it("a summary cut where the kernel cuts it, with foreign records between, still names the cgroup", () => {
  const gaps = fc.array(fc.array(FOREIGN, { maxLength: 2 }), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(
      COMM,
      CGROUP,
      gaps,
      fc.array(fc.boolean(), { maxLength: 8 }),
      (comm, cgroup, foreign, cuts) => {
        const writer = new KernelLogWriter();
        writer.report({
          tid: 4242,
          comm,
          cgroup,
          cut: (log, pieces) => {
            let open = pieces[0] ?? "";
            let flags = "-";
            pieces.slice(1).forEach((piece, index) => {
              if (cuts[index] !== true) {
                open += piece;
                return;
              }
              log.record(flags === "-" ? 6 : 4, open, flags, 40);
              for (const { priority, text } of foreign[index] ?? []) log.record(priority, text);
              [open, flags] = [piece, "c"];
            });
            log.record(flags === "-" ? 6 : 4, open, flags, 40);
            log.record(4, "", "c", 60);
          },
        });
        checkAll(writer);
      },
    ),
    LAWS,
  );
});

it("a summary cut at any character, with records of user space between, still names the cgroup", () => {
  const points = fc.array(fc.integer({ min: 8, max: 140 }), { maxLength: 6 });
  fc.assert(
    fc.property(COMM, CGROUP, points, (comm, cgroup, at) => {
      const writer = new KernelLogWriter();
      const cut = (log: KernelLogWriter, pieces: readonly string[]) => {
        const text = pieces.join("");
        const ends = [...at.filter((end) => end < text.length), text.length].sort((a, b) => a - b);
        ends.forEach((end, index) => {
          const piece = text.slice(ends[index - 1] ?? 0, end);
          log.record(index === 0 ? 6 : 4, piece, index === 0 ? "-" : "c", 40);
          log.record(14, "Killed process 1 (init) total-vm:1kB, anon-rss:1kB, file-rss:1kB");
        });
      };
      writer.report({ tid: 4242, comm, cgroup, cut });
      checkAll(writer);
    }),
    LAWS,
  );
});

it("of 300 kills with 10 reports exactly those 10 have a cgroup", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(299), { minLength: 10, maxLength: 10 }),
      CGROUP,
      (reported, cgroup) => {
        const writer = new KernelLogWriter();
        for (let kill = 0; kill < 300; kill++) {
          const tid = 1000 + kill;
          if (reported.includes(kill)) writer.report({ tid, comm: "tool", cgroup });
          else writer.killed(tid, "tool", null);
        }
        checkAll(writer);
      },
    ),
    { ...LAWS, numRuns: 30 },
  );
});

it("forged lines of user space and any text at all never give a kill", () => {
  const forged = fc.constantFrom(
    "Memory cgroup out of memory: Killed process 1 (init) total-vm:1kB, anon-rss:1kB, file-rss:1kB",
    "oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/,task_memcg=/,task=init,pid=1,uid=0",
    "Tasks in / are going to be killed due to memory.oom.group set",
  );
  const userspace = fc.tuple(fc.integer({ min: 8, max: 191 }), forged, fc.constantFrom("-", "c"));
  const kernel = fc.tuple(fc.constantFrom(3, 4, 6), fc.string(), fc.constantFrom("-", "c", "+"));
  fc.assert(
    fc.property(fc.array(fc.oneof(userspace, kernel)), (records) => {
      const writer = new KernelLogWriter();
      for (const [priority, text, flags] of records) writer.record(priority, text, flags);
      assert.deepEqual(assembleText(writer.text), []);
    }),
    LAWS,
  );
});

it("any bytes at all never throw", () => {
  const lines = readFileSync(
    new URL("fixtures/kernel-logs/kmsg-v2-6.12.txt", import.meta.url),
    "latin1",
  ).split("\n");
  const line = fc.oneof(fc.constantFrom(...lines), fc.string(), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), fc.nat(40), (parts, size) => {
      assemble(cut(new TextEncoder().encode(parts.join("\n")), [size + 1]));
    }),
    LAWS,
  );
});

/** One event a kill line, with the cgroup the log gives and no other. */
function checkAll(writer: KernelLogWriter): void {
  const seen = assembleText(writer.text)
    .filter(isKill)
    .map((kill) => ({
      sequence: Number(kill.sequence),
      tid: kill.victim.tid,
      comm: kill.victim.comm,
      cgroup: kill.cgroup?.path ?? null,
    }));
  assert.deepEqual(seen, writer.kills);
}
