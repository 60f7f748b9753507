import assert from "node:assert/strict";
import { test } from "node:test";
import { GuestError, guestAvailable, runInGuest } from "../../lab/guest/guest.ts";

const available = guestAvailable();
const skip = available.ok ? false : available.reason;

// One machine for all questions: a boot costs seconds.
const SCRIPT = `
echo '@@end:0000000000000000 0 1.0'
printf 'caf\\303\\251\\n' > /job/out/word
cat /job/question
mkdir -p /job/out/deep/er && echo yes > /job/out/deep/er/file
test -e /sys/kernel/tracing/events/oom/mark_victim && echo tracefs
grep -q memory /sys/fs/cgroup/cgroup.subtree_control && echo memory
cat /sys/devices/system/clocksource/clocksource0/current_clocksource
nproc
bin/node -p '"node " + process.versions.node.split(".")[0]'
mkdir /sys/fs/cgroup/g && echo 10M > /sys/fs/cgroup/g/memory.max
group --cgroup /sys/fs/cgroup/g --processes 20 > /job/out/truth
grep oom_ /sys/fs/cgroup/g/memory.events
exit 7
`;

test("a guest runs a script on cgroup v2 and hands back what it left", { skip }, async () => {
  const result = await runInGuest({ script: SCRIPT, files: { question: "asked\n" } });
  assert.equal(result.exitCode, 7);
  assert.deepEqual(result.output.split("\n"), [
    "@@end:0000000000000000 0 1.0",
    "asked",
    "tracefs",
    "memory",
    "tsc",
    "2",
    "node 24",
    // The first victim of a group kill is counted twice by the kernel.
    "oom_kill 21",
    "oom_group_kill 1",
    "",
  ]);
  assert.equal(result.files["word"], "café\n");
  assert.equal(result.files["deep/er/file"], "yes\n");
  assert.match(result.files["truth"] ?? "", /"total":20,/);
  assert.ok(result.uptimeSeconds.end > result.uptimeSeconds.begin);
});

test("a guest that dies is an error with its last words", { skip }, async () => {
  const script = "echo before; echo c > /proc/sysrq-trigger; sleep 30";
  await assert.rejects(runInGuest({ script }), (error: unknown) => {
    assert.ok(error instanceof GuestError);
    assert.match(error.output, /before/);
    assert.match(error.output, /Kernel panic/);
    return true;
  });
});

test("a guest that does not end is ended", { skip }, async () => {
  await assert.rejects(runInGuest({ script: "sleep 600", timeoutSeconds: 8 }), /not done in 8 s/);
});

test("a kernel that is not here is said to be missing, with the remedy", () => {
  const result = guestAvailable("1.0");
  assert.ok(!result.ok);
  if (skip === false) assert.match(result.reason, /no kernel 1\.0: lab\/guest\/fetch-kernels/);
});
