import assert from "node:assert/strict";
import { test } from "node:test";
import { type Identity, NOBODY } from "../model/identity.ts";
import type { KillRecord } from "../model/record.ts";
import { Ledger } from "./ledger.ts";
import { BOOT_ID, kill, stamp } from "./testing.ts";

const CONTAINER = {
  runtime: "docker",
  id: "df1c",
  name: "a2",
  image: null,
  imageId: null,
  restarts: null,
};

class Owners {
  readonly names = new Map<string, Identity>();
  readonly of = (record: KillRecord): Identity =>
    this.names.get(record.cgroup.path ?? "") ?? NOBODY;
  own(path: string, visibility: Identity["visibility"]): void {
    this.names.set(path, { ...NOBODY, container: CONTAINER, visibility });
  }
}

function open(owners: Owners): Ledger {
  return new Ledger({ bootId: BOOT_ID, node: "n", startedAt: 0, identify: owners.of }, null);
}

test("a kill is opened with its container when that is known", () => {
  const owners = new Owners();
  owners.own("/docker/df1c", "pending");
  const ledger = open(owners);
  ledger.observe(kill("tracefs", 1, 7, { cgroup: stamp("/docker/df1c") }));
  const [record] = ledger.take();
  assert.deepEqual([record?.revision, record?.container?.name], [0, "a2"]);
});

test("whose it was becomes known later: one amendment, and no second one for the same", () => {
  const owners = new Owners();
  const ledger = open(owners);
  ledger.observe(kill("tracefs", 1, 7, { cgroup: stamp("/docker/df1c") }));
  const [opened] = ledger.take();
  assert.equal(opened?.container, null);
  owners.own("/docker/df1c", "invisible");
  ledger.reconsider([opened?.id ?? ""]);
  ledger.advance(60_000_000);
  const [amended, ...more] = ledger.take();
  assert.deepEqual(
    [amended?.id, amended?.revision, amended?.container?.name, amended?.visibility, more.length],
    [opened?.id, 1, "a2", "invisible", 0],
  );
  ledger.reconsider([opened?.id ?? "", "nobody"]);
  ledger.advance(120_000_000);
  assert.deepEqual(ledger.take(), []);
});

test("a runtime that forgot the container takes nothing back, also after a restart", () => {
  const owners = new Owners();
  owners.own("/docker/df1c", "visible");
  const ledger = open(owners);
  ledger.observe(kill("tracefs", 1, 7, { cgroup: stamp("/docker/df1c") }));
  const [opened] = ledger.take();
  const state = structuredClone(ledger.state());
  const next = new Ledger(
    { bootId: BOOT_ID, node: "n", startedAt: 0, identify: () => NOBODY },
    state,
  );
  next.reconsider([opened?.id ?? ""]);
  next.advance(60_000_000);
  assert.deepEqual(next.take(), []);
  assert.equal(next.kill(opened?.id ?? "")?.identity?.container?.name, "a2");
});
