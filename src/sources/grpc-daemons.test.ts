import assert from "node:assert/strict";
import { test } from "node:test";
import { HostError } from "../host/host.ts";
import { createHost } from "../host/real.ts";
import { type Daemon, type DaemonApi, type DaemonPlan, followDaemons } from "./grpc-daemons.ts";

interface World {
  /** What each socket says when it is asked: nothing, or an error's code. */
  readonly sockets: Map<string, string | null>;
  readonly followed: string[][];
  readonly stop: AbortController;
  /** Breaks what is followed now. */
  break(): void;
  run(): ReturnType<typeof followDaemons>;
}

function world(
  sockets: Readonly<Record<string, string | null>>,
  reached = new Set<string>(),
): World {
  const there = new Map(Object.entries(sockets));
  const followed: string[][] = [];
  const stop = new AbortController();
  let broken = Promise.withResolvers<never>();
  const plan: DaemonPlan<DaemonApi> = {
    sockets: () => [...there.keys()],
    connect: async (socket) => ({
      version: async () => {
        const code = there.get(socket);
        if (code !== null) throw new HostError(code ?? "ENOENT", socket, "refused");
        return "1";
      },
      close: () => {},
    }),
    follow: (daemons: readonly Daemon<DaemonApi>[], _note, up) => {
      followed.push(daemons.map(({ socket }) => socket));
      up();
      broken = Promise.withResolvers<never>();
      return broken.promise;
    },
    unavailable: ({ code }) =>
      code === "EACCES" ? { kind: "unavailable", reason: "forbidden", remedy: "" } : null,
    absent: { reason: "absent", remedy: "" },
  };
  const clock = { ...createHost().clock, after: soon };
  const host = { ...createHost(), clock };
  const context = {
    host,
    stop: stop.signal,
    bootId: "boot",
    cursor: null,
    emit: () => {},
    up: () => {},
    lost: () => {},
    disturbed: () => {},
    saveCursor: () => {},
  };
  return {
    sockets: there,
    followed,
    stop,
    break: () => broken.reject(new Error("broken")),
    run: () => followDaemons(context, plan, reached),
  };
}

/** A second passes in a millisecond. */
function soon(milliseconds: number, call: () => void): () => void {
  const timer = setTimeout(call, milliseconds / 1000);
  return () => clearTimeout(timer);
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test("no socket at all is no failure; one that was there and is not any more is", async () => {
  assert.deepEqual(await world({}).run(), { kind: "unavailable", reason: "absent", remedy: "" });
  const gone = world({}, new Set(["/a"]));
  await assert.rejects(gone.run(), { code: "ENOENT" });
});

test("a daemon that refuses does not blind us to the others, and is taken in when it answers", async () => {
  const { sockets, followed, stop, run } = world({ "/a": null, "/b": "ECONNREFUSED" });
  const end = run();
  await pause(5);
  assert.deepEqual(followed, [["/a"]]);
  sockets.set("/b", null);
  await pause(100);
  assert.deepEqual(followed, [["/a"], ["/a", "/b"]]);
  stop.abort();
  assert.deepEqual(await end, { kind: "stopped" });
});

test("what breaks is told; who may not open the socket is told so", async () => {
  const breaking = world({ "/a": null });
  const end = breaking.run();
  await pause(5);
  breaking.break();
  await assert.rejects(end, /broken/);
  const forbidden = await world({ "/a": "EACCES" }).run();
  assert.equal(forbidden.kind, "unavailable");
  await assert.rejects(world({ "/a": "ECONNREFUSED" }).run(), { code: "ECONNREFUSED" });
});

test("one that was there is looked for often when it is away", async () => {
  const { sockets, followed, stop, run } = world({ "/a": "ECONNREFUSED" }, new Set(["/a"]));
  const end = run();
  await pause(3);
  assert.deepEqual(followed, []);
  sockets.set("/a", null);
  await pause(30);
  assert.deepEqual(followed, [["/a"]]);
  stop.abort();
  assert.deepEqual(await end, { kind: "stopped" });
});

test("an abort before anything answers ends it", async () => {
  const { stop, run } = world({ "/a": null });
  stop.abort();
  assert.deepEqual(await run(), { kind: "stopped" });
});
