import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { guestAvailable } from "../../lab/guest/guest.ts";
import { runInEmulatedGuest } from "./support/emulated-guest.ts";

/** The installed kernel, the oldest and the newest that can be had. */
const KERNELS = [undefined, "5.10", "7.2"];

for (const kernel of KERNELS) {
  const available = guestAvailable(kernel);
  const skip = available.ok ? false : available.reason;
  const name = `the cgroup source on cgroup v2, kernel ${kernel ?? "as installed"}`;
  describe(name, { skip }, () => tryOn(kernel));
}

function tryOn(kernel: string | undefined): void {
  /** What the guest's program saved, by scenario. */
  let saved: Record<string, string> = {};
  const read: Read = (scenario) => JSON.parse(saved[`${scenario}.json`] ?? "null");
  /** Group kills are counted since 5.17; before, how many is unknown. */
  const groups: Groups = (count) => (kernel === "5.10" ? null : count);

  before(async () => {
    const { exitCode, output, files } = await runInEmulatedGuest({
      script: "/usr/bin/node test/e2e/guest-cgroup-v2.ts",
      ...(kernel === undefined ? {} : { kernel }),
    });
    assert.equal(exitCode, 0, output);
    saved = { ...files };
  });

  tryCounts(read, groups);
  tryLives(read, groups);
}

type Read = (scenario: string) => unknown;
type Groups = (count: number) => number | null;

function tryCounts(read: Read, groups: Groups): void {
  test("says where it watches", () => {
    assert.match(JSON.stringify(read("note")), /^\["v2 at \/sys\/fs\/cgroup, \d+ cgroups"\]$/);
  });

  test("a kill is noticed by inotify and told of the cgroup and its parent", (t) => {
    const { milliseconds, chain, told } = read("nested") as Record<string, unknown>;
    assert.deepEqual(told, {
      "/pod": [["subtree", 1, groups(0), false, false]],
      "/pod/box": [
        ["subtree", 1, groups(0), false, false],
        ["local", 1, groups(0), false, false],
      ],
    });
    assert.deepEqual(chain, [{ path: "/pod/box", limitBytes: 10 << 20 }]);
    t.diagnostic(`told ${milliseconds} ms after the victim was dead (emulated machine)`);
    // The scan comes every 10 s: sooner than that it was a notification.
    assert.ok(Number(milliseconds) < 3000, `${milliseconds} ms`);
  });

  test("a group kill: the first victim twice, one group", () => {
    const books = read("group") as {
      book: unknown;
      oomKill: number;
      oomGroupKill: number | null;
    }[];
    for (const { oomKill, oomGroupKill } of books) {
      assert.deepEqual([oomKill, oomGroupKill], [6, groups(1)]);
    }
    assert.equal(books.length, 2, "subtree and local");
  });

  test("a child removed right after its kill: the parent has the count", () => {
    assert.deepEqual((read("removed") as Record<string, unknown>)["/top"], [
      ["subtree", 1, groups(0), false, false],
    ]);
  });

  test("made, killed in and removed at once: the parent has the count, and it is no baseline", () => {
    assert.deepEqual(read("unseen"), {
      "/quick": [["subtree", 1, groups(0), false, false]],
      "/quick/box": [],
    });
  });
}

function tryLives(read: Read, groups: Groups): void {
  test("the removal of a cgroup closes its books at once", () => {
    const { "/pod/box": books } = read("finals") as Record<string, unknown[]>;
    assert.deepEqual(books?.slice(2), [
      ["subtree", 1, groups(0), false, true],
      ["local", 1, groups(0), false, true],
    ]);
  });

  test("a poke that names a cgroup nobody has seen is answered at once", () => {
    assert.deepEqual(read("poked"), {
      "/poked": [
        ["subtree", 1, groups(0), false, false],
        ["local", 1, groups(0), false, false],
      ],
    });
  });

  test("stops at once", () => {
    assert.ok(Number(read("stop")) < 1000);
  });

  test("a new start tells what is there as baselines", () => {
    assert.deepEqual(read("restarted"), {
      "/pod": [["subtree", 7, groups(1), true, false]],
      "/pod/group": [
        ["subtree", 6, groups(1), true, false],
        ["local", 6, groups(1), true, false],
      ],
      "/top": [["subtree", 1, groups(0), true, false]],
    });
  });

  test("mounted with memory_localevents: local books, and it says that nobody notifies", () => {
    const { note, told } = read("local") as Record<string, unknown>;
    assert.match(String(note), /no notifications$/);
    assert.deepEqual(told, { "/flat": [], "/flat/box": [["local", 1, groups(0), false, false]] });
  });
}
