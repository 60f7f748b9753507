import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { createFiles } from "../host/files.ts";
import { socketOwner } from "./socket-owner.ts";

const skip = process.getuid?.() === 0 ? false : "giving files to other users needs root";
const [ALICE, BOB] = [61_001, 61_002];
const ROOT = mkdtempSync(join(tmpdir(), "ow-owner-"));
after(() => rmSync(ROOT, { recursive: true, force: true }));

/** A tree of its own on a real disk: paths with their owner and mode; `-> target` is a link. */
function tree(name: string, entries: readonly (readonly [string, number, number | string])[]) {
  const root = join(ROOT, name);
  mkdirSync(root);
  for (const [path, uid, what] of entries) {
    const full = join(root, path);
    if (typeof what === "string") symlinkSync(what, full);
    else if (path.endsWith(".sock")) writeFileSync(full, "");
    else mkdirSync(full);
    if (typeof what === "number") {
      chownSync(full, uid, 0);
      chmodSync(full, what);
    }
  }
  return (path: string, self = 0) => socketOwner(createFiles(), root, path, self);
}

describe("who decides what answers at a socket", { skip }, () => {
  test("root's socket in root's directories is the machine's, also in a sticky one", () => {
    const owner = tree("root", [
      ["/run", 0, 0o755],
      ["/run/a.sock", 0, 0o666],
      ["/tmp", 0, 0o1777],
      ["/tmp/a.sock", 0, 0o600],
    ]);
    assert.deepEqual(owner("/run/a.sock"), { kind: "machine" });
    assert.deepEqual(owner("/tmp/a.sock"), { kind: "machine" });
  });

  test("root's socket in a user's directory is the user's, whom the agent itself may be", () => {
    const owner = tree("user", [
      ["/user", ALICE, 0o700],
      ["/user/a.sock", 0, 0o600],
    ]);
    assert.deepEqual(owner("/user/a.sock"), { kind: "user", uid: ALICE });
    assert.deepEqual(owner("/user/a.sock", ALICE), { kind: "machine" });
  });

  test("a link counts with where it leads", () => {
    const owner = tree("links", [
      ["/run", 0, 0o755],
      ["/user", ALICE, 0o700],
      ["/user/a.sock", ALICE, 0o600],
      ["/run/b.sock", 0, "/user/a.sock"],
      ["/run/c.sock", 0, "../user/../run/d.sock"],
      ["/run/d.sock", 0, "c.sock"],
    ]);
    assert.deepEqual(owner("/run/b.sock"), { kind: "user", uid: ALICE });
    assert.deepEqual(owner("/run/c.sock"), { kind: "anybody" }, "a circle");
  });

  test("a directory that all may write, or a place of two users, is nobody's", () => {
    const owner = tree("open", [
      ["/open", 0, 0o777],
      ["/open/a.sock", 0, 0o600],
      ["/alice", ALICE, 0o755],
      ["/alice/bob.sock", BOB, 0o600],
    ]);
    assert.deepEqual(owner("/open/a.sock"), { kind: "anybody" });
    assert.deepEqual(owner("/alice/bob.sock"), { kind: "anybody" });
  });
});
