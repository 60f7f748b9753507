import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Clock, Files } from "../host/host.ts";
import { createHost } from "../host/real.ts";
import { CgroupTree } from "./cgroup-tree.ts";
import { v2Reader } from "./cgroup-v2.ts";
import { CgroupWatches, WATCH_TUNING } from "./cgroup-watch.ts";

/** Time that passes only when told to. */
class ManualClock implements Clock {
  #now = 1_000_000_000;
  #timers: { readonly at: number; readonly call: () => void }[] = [];

  monotonicMicroseconds(): number {
    return this.#now;
  }

  wallMicroseconds(): number {
    return this.#now;
  }

  after(milliseconds: number, call: () => void): () => void {
    const timer = { at: this.#now + milliseconds * 1000, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  pass(milliseconds: number): void {
    const end = this.#now + milliseconds * 1000;
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
    }
    this.#now = end;
  }
}

/** A hierarchy of files under inotify that the test plays itself. */
function world(t: TestContext, maxWatches = WATCH_TUNING.maxWatches) {
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-watch-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const clock = new ManualClock();
  const real = createHost();
  const watched = new Map<string, (name: string | null) => void>();
  const reads: string[] = [];
  const files: Files = {
    ...real.files,
    tryReadText: (path) => {
      if (path.endsWith("/memory.events")) reads.push(path.slice(directory.length));
      return real.files.tryReadText(path);
    },
    watch: (path, changed) => {
      watched.set(path.slice(directory.length), changed);
      return () => void watched.delete(path.slice(directory.length));
    },
  };
  const host = { ...real, clock, files };
  const told: string[] = [];
  const tree: CgroupTree = new CgroupTree(
    host,
    v2Reader(true),
    { directory, prefix: "" },
    {
      emit: (news) => {
        for (const { book, oomKill } of news) {
          if (book.kind === "cgroup" && book.extent === "subtree")
            told.push(`${book.path} ${oomKill}`);
        }
      },
      attached: (node) => watches.attached(node),
      detached: (node) => watches.detached(node),
    },
  );
  const failed = (error: unknown) => assert.fail(String(error));
  const watches = new CgroupWatches(host, tree, { ...WATCH_TUNING, maxWatches }, failed);
  const count = (path: string, kills: number) => {
    mkdirSync(directory + path, { recursive: true });
    writeFileSync(`${directory}${path}/memory.events`, `oom_kill ${kills}\n`);
  };
  const remove = (path: string) => rmSync(directory + path, { recursive: true });
  const notify = (path: string, name = "memory.events") => watched.get(path)?.(name);
  watches.watch(tree.root);
  return { clock, tree, watches, watched, reads, told, count, remove, notify };
}

function learn({ tree }: { readonly tree: CgroupTree }): void {
  const nodes = [tree.root];
  for (const node of nodes) {
    tree.refresh(node);
    tree.list(node);
    nodes.push(...(node.children?.values() ?? []));
  }
}

test("the root, its children with their files, and deeper ones that have children", (t) => {
  const w = world(t);
  for (const path of ["/a", "/a/b", "/a/b/c"]) w.count(path, 0);
  learn(w);
  assert.deepEqual([...w.watched.keys()].toSorted(), ["", "/a", "/a/b", "/a/memory.events"]);
  w.remove("/a");
  w.tree.list(w.tree.root);
  assert.deepEqual([...w.watched.keys()], [""], "the kernel says nothing of removed ones: closed");
});

test("the first notification is early: the count is looked at again", (t) => {
  const w = world(t);
  for (const path of ["/a", "/a/b"]) w.count(path, 0);
  learn(w);
  w.notify("/a");
  assert.deepEqual(w.told, []);
  w.count("/a/b", 1);
  w.count("/a", 1);
  w.clock.pass(20);
  assert.deepEqual(w.told, ["/a 1", "/a/b 1"]);
});

test("a cgroup made and counted in before its watch stood is read when its parent says so", (t) => {
  const w = world(t);
  learn(w);
  w.count("/new", 3);
  w.count("/new/box", 3);
  w.notify("", "new");
  w.clock.pass(20);
  assert.deepEqual(w.told, ["/new 3", "/new/box 3"]);
  assert.ok(w.watched.has("/new"));
});

test("what else the kernel says of a cgroup costs no reading", (t) => {
  const w = world(t);
  w.count("/a", 0);
  learn(w);
  w.reads.length = 0;
  for (const name of ["cgroup.events", "memory.swap.events", "pids.events"]) w.notify("/a", name);
  w.clock.pass(1000);
  assert.deepEqual(w.reads, []);
});

test("a cgroup that thrashes is looked at ever more seldom, then no longer listened to", (t) => {
  const w = world(t);
  w.count("/a", 0);
  learn(w);
  w.reads.length = 0;
  let heard = 0;
  for (let tick = 0; tick < 300; tick++) {
    if (w.watched.has("/a")) heard++;
    w.notify("/a");
    w.clock.pass(10);
  }
  assert.ok(w.reads.length < 30, `${w.reads.length} readings in 3 s`);
  assert.ok(heard <= WATCH_TUNING.noisyPerSecond + 1, `${heard} notifications heard`);
  w.count("/a", 1);
  w.clock.pass(WATCH_TUNING.maxGapMilliseconds);
  assert.deepEqual(w.told, ["/a 1"], "it is still looked at");
  w.clock.pass(WATCH_TUNING.muteMilliseconds);
  assert.ok(w.watched.has("/a"), "and listened to again");
  w.count("/a", 2);
  w.notify("/a");
  w.clock.pass(WATCH_TUNING.maxGapMilliseconds);
  assert.deepEqual(w.told, ["/a 1", "/a 2"]);
});

test("watches are bounded; the top ones, which hear everything, come first", (t) => {
  const w = world(t, 3);
  for (const path of ["/a/b/c/d", "/x/y/z"]) w.count(path, 0);
  for (const path of ["/a", "/x"]) w.count(path, 0);
  learn(w);
  assert.equal(w.watches.size, 3);
  assert.ok(w.watched.has("/a") && w.watched.has("/x"));
  w.watches.close();
  assert.equal(w.watched.size, 0);
});
