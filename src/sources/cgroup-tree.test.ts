import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createHost } from "../host/real.ts";
import type { CounterObservation } from "../model/observation.ts";
import { type CgroupNode, CgroupTree, type TreeBounds } from "./cgroup-tree.ts";
import { v2Reader } from "./cgroup-v2.ts";

/** A v2 hierarchy made of directories, and the tree that reads it. */
function world(t: TestContext, bounds?: TreeBounds) {
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-tree-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const told: CounterObservation[] = [];
  const events = {
    emit: (observations: readonly CounterObservation[]) => void told.push(...observations),
    attached: () => {},
    detached: () => {},
  };
  const place = { directory, prefix: "/docker" };
  const tree = new CgroupTree(createHost(), v2Reader(true), place, events, bounds);
  const count = (path: string, kills: number, local = 0, groups = 0) => {
    const text = (value: number) => `oom 9\noom_kill ${value}\noom_group_kill ${groups}\n`;
    mkdirSync(directory + path, { recursive: true });
    writeFileSync(`${directory}${path}/memory.events`, text(kills));
    writeFileSync(`${directory}${path}/memory.events.local`, text(local));
  };
  const remove = (path: string) => rmSync(directory + path, { recursive: true });
  const take = () => {
    const rows = told.splice(0).map(({ book, oomKill, baseline, final }) => {
      if (book.kind !== "cgroup") throw new Error("a cgroup's book");
      const word = final ? "final" : baseline ? "baseline" : "change";
      return `${book.path} ${book.extent} ${oomKill} ${word}`;
    });
    return rows;
  };
  return { tree, told, count, remove, take };
}

/** Returns how many cgroups were left out. */
function scan(tree: CgroupTree, node: CgroupNode = tree.root): number {
  const current = tree.refresh(node);
  if (current === null) return 0;
  current.drilledOomKill = current.oomKill ?? 0;
  let leftOut = tree.list(current);
  for (const child of [...(current.children?.values() ?? [])]) leftOut += scan(tree, child);
  return leftOut;
}

test("baselines of the first scan, changes of the next; 0 is told of nobody", (t) => {
  const { tree, count, take } = world(t);
  count("/a", 2);
  count("/a/b", 2, 2);
  count("/z", 0);
  scan(tree);
  assert.deepEqual(take(), [
    "/docker/a subtree 2 baseline",
    "/docker/a/b subtree 2 baseline",
    "/docker/a/b local 2 baseline",
  ]);
  scan(tree);
  assert.deepEqual(take(), []);
  count("/z", 1, 1);
  scan(tree);
  assert.deepEqual(take(), ["/docker/z subtree 1 change", "/docker/z local 1 change"]);
});

test("a new cgroup was absent when its parent was last listed, however deep", (t) => {
  const { tree, told, count } = world(t);
  count("/a", 0);
  scan(tree);
  const listed = tree.root.children?.get("a")?.listedMicroseconds;
  count("/a/b/c", 1, 1);
  tree.reach("/docker/a/b/c");
  const [observation] = told;
  assert.equal(observation?.since?.monotonicMicroseconds, listed);
  assert.equal(observation?.baseline, false);
});

test("drilling descends only where something new was counted", (t) => {
  const { tree, count, take } = world(t);
  for (const path of ["/a", "/a/x", "/a/y", "/b", "/b/x"]) count(path, 0);
  scan(tree);
  count("/a", 1);
  count("/a/y", 1, 1);
  // The book of a parent that does not move is not looked behind: this must stay unseen.
  count("/b/x", 5, 5);
  tree.drill(tree.root);
  assert.deepEqual(take(), [
    "/docker/a subtree 1 change",
    "/docker/a/y subtree 1 change",
    "/docker/a/y local 1 change",
  ]);
});

test("a parent read on its own does not hide a child's kill from the next drill", (t) => {
  const { tree, count, take } = world(t);
  for (const path of ["/a", "/a/b"]) count(path, 0);
  scan(tree);
  count("/a", 2, 1);
  tree.reach("/docker/a");
  take();
  count("/a/b", 1, 1);
  tree.drill(tree.root);
  assert.deepEqual(take(), ["/docker/a/b subtree 1 change", "/docker/a/b local 1 change"]);
});

test("a removed subtree closes the books it had told of, once", (t) => {
  const { tree, count, remove, take } = world(t);
  count("/a", 1);
  count("/a/b", 1, 1);
  count("/a/c", 0);
  scan(tree);
  take();
  remove("/a");
  scan(tree);
  scan(tree);
  assert.deepEqual(take(), [
    "/docker/a/b subtree 1 final",
    "/docker/a/b local 1 final",
    "/docker/a subtree 1 final",
  ]);
  assert.equal(tree.size, 1);
});

test("without the memory controller there is no book; it begins when the controller comes", (t) => {
  const { tree, told, count, take } = world(t);
  count("/a", 0);
  rmSync(`${tree.directory(tree.root)}/a/memory.events`);
  scan(tree);
  count("/a", 1, 1);
  scan(tree);
  assert.notEqual(told[0]?.since, null);
  assert.deepEqual(take(), ["/docker/a subtree 1 change", "/docker/a local 1 change"]);
});

test("hostile names are names", (t) => {
  const { tree, count, take } = world(t);
  const names = ["a\nb", "q\"uo'te", "sp ace (deleted)", "x) Killed process 1 (init", "\\x0a", "-"];
  for (const name of names) count(`/${name}`, 1);
  scan(tree);
  assert.deepEqual(
    take().toSorted(),
    names.map((name) => `/docker/${name} subtree 1 baseline`).toSorted(),
  );
});

test("beyond the bounds cgroups are counted, not watched", (t) => {
  const { tree, count, take } = world(t, { maxCgroups: 3, maxDepth: 100 });
  for (const name of ["a", "b", "c", "d"]) count(`/${name}`, 1);
  assert.equal(scan(tree), 2);
  assert.equal(tree.size, 3);
  assert.equal(take().length, 2);
  const deep = world(t, { maxCgroups: 100, maxDepth: 1 });
  deep.count("/a/b", 1);
  assert.equal(scan(deep.tree), 1);
  assert.equal(deep.tree.size, 2);
});

test("a hierarchy that is gone is an error", (t) => {
  const { tree } = world(t);
  const directory = tree.directory(tree.root);
  rmSync(directory, { recursive: true });
  assert.throws(() => tree.refresh(tree.root), /is gone/);
  mkdirSync(directory);
});
