import assert from "node:assert/strict";
import { test } from "node:test";
import { addressKey, type Place, Places } from "./http-places.ts";

class Guest implements Place {
  readonly address: string;
  closed = false;

  constructor(address: string) {
    this.address = address;
  }

  close(): void {
    this.closed = true;
  }
}

const LIMITS = { connections: 8, longReplies: 4, addressShare: 0.75 };

function fill(places: Places, count: number, address = "10.0.0.1"): Guest[] {
  return Array.from({ length: count }, (_, index) => {
    const guest = new Guest(address);
    assert.ok(places.enter(guest, index));
    return guest;
  });
}

test("the connection that has been idle longest makes room for a new one", () => {
  const places = new Places(LIMITS);
  const [first, second, third, ...others] = [...fill(places, 6), ...fill(places, 2, "10.0.0.2")];
  assert.ok(first && second);
  places.busy(first);
  places.busy(second);
  places.idle(second, 100);
  assert.ok(places.enter(new Guest("10.0.0.3"), 101));
  assert.deepEqual([first.closed, second.closed, third?.closed], [false, false, true]);
  assert.ok(others.every(({ closed }) => !closed));
  assert.equal(places.closedForRoom, 1);
});

test("one address takes no more than its share, and closes its own connections beyond it", () => {
  const places = new Places(LIMITS);
  const [other] = fill(places, 1, "10.0.0.2");
  const own = fill(places, 7);
  assert.deepEqual(
    own.map(({ closed }) => closed),
    [true, false, false, false, false, false, false],
  );
  assert.equal(other?.closed, false);
});

test("a new connection is refused only where all others are being served", () => {
  const places = new Places(LIMITS);
  for (const guest of [...fill(places, 6), ...fill(places, 2, "10.0.0.2")]) places.busy(guest);
  const late = new Guest("10.0.0.3");
  assert.equal(places.enter(late, 10), false);
  assert.ok(late.closed);
});

test("who left has no place and gives room", () => {
  const places = new Places(LIMITS);
  for (const guest of fill(places, 6)) {
    places.leave(guest);
    places.leave(guest);
  }
  assert.ok(fill(places, 6).every(({ closed }) => !closed));
  assert.equal(places.closedForRoom, 0);
});

test("what is idle too long is closed, what is served is not", () => {
  const places = new Places(LIMITS);
  const [first, second, third] = fill(places, 3);
  assert.ok(first);
  places.busy(first);
  places.closeIdleSince(1);
  assert.deepEqual([first.closed, second?.closed, third?.closed], [false, true, false]);
});

test("long replies are bounded, also of one address", () => {
  const places = new Places(LIMITS);
  const [own, second, third] = [
    ...fill(places, 1),
    ...fill(places, 1, "10.0.0.2"),
    ...fill(places, 1, "10.0.0.3"),
  ];
  assert.ok(own && second && third);
  for (const guest of [own, second, third]) places.busy(guest);
  const ends = [1, 2, 3].map(() => places.beginLong(own));
  assert.equal(places.beginLong(own), null);
  assert.notEqual(places.beginLong(second), null);
  assert.equal(places.beginLong(third), null);
  ends[0]?.();
  ends[0]?.();
  assert.notEqual(places.beginLong(third), null);
  assert.equal(places.beginLong(third), null);
  assert.equal(places.refusedLong, 3);
});

test("who does not read a long reply makes room for who does", () => {
  const places = new Places(LIMITS);
  const deaf = fill(places, 3);
  const ends = deaf.map((guest) => {
    places.busy(guest);
    return places.beginLong(guest);
  });
  for (const [index, guest] of deaf.entries()) places.idle(guest, index);
  const [reader] = fill(places, 1);
  assert.ok(reader);
  places.busy(reader);
  assert.notEqual(places.beginLong(reader), null);
  assert.deepEqual(
    deaf.map(({ closed }) => closed),
    [true, false, false],
  );
  ends[0]?.();
  assert.notEqual(places.beginLong(reader), null);
  assert.notEqual(places.beginLong(reader), null);
  assert.equal(places.beginLong(reader), null);
  assert.ok(deaf.every(({ closed }) => closed));
});

test("a client is one address, or 2^64 of IPv6", () => {
  const keys: readonly [address: string, key: string][] = [
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["", ""],
  ];
  for (const [address, key] of keys) assert.equal(addressKey(address), key);
});
