import assert from "node:assert/strict";
import { test } from "node:test";
import { HostError } from "../host/host.ts";
import { isUnicode, wantsColour } from "./console.ts";
import { CliError, describeError } from "./errors.ts";
import {
  filterOption,
  parseCount,
  parseListen,
  parseMoment,
  parseNode,
  parsePath,
  parseSeconds,
  parseSize,
} from "./options.ts";

test("addresses", () => {
  assert.deepEqual(parseListen("127.0.0.1:9137"), {
    kind: "tcp",
    address: "127.0.0.1",
    port: 9137,
  });
  assert.deepEqual(parseListen("[::1]:0"), { kind: "tcp", address: "::1", port: 0 });
  assert.deepEqual(parseListen(":80"), { kind: "tcp", address: "0.0.0.0", port: 80 });
  assert.deepEqual(parseListen("localhost:1"), { kind: "tcp", address: "localhost", port: 1 });
  assert.deepEqual(parseListen("unix:/run/oom.sock"), { kind: "unix", path: "/run/oom.sock" });
  assert.throws(() => parseListen("unix:oom.sock"), /absolute path/);
  for (const wrong of ["9137", "::1:9137", "a b:1", "h:65536", "h:", "h:-1", "[::1]", ""]) {
    assert.throws(() => parseListen(wrong), /ADDRESS:PORT/, wrong);
  }
});

test("an owner that is given as nothing narrows nothing", () => {
  assert.deepEqual(filterOption({ pod: "", container: "" }), {});
  assert.deepEqual(filterOption({ pod: "cart-0", namespace: "shop", invisible: true }), {
    pod: "cart-0",
    namespace: "shop",
    invisible: true,
  });
});

test("sizes are powers of 1024", () => {
  assert.equal(parseSize("256MiB"), 256 * 2 ** 20);
  assert.equal(parseSize("1G"), 2 ** 30);
  assert.equal(parseSize("2 gb"), 2 ** 31);
  assert.equal(parseSize("1048576"), 2 ** 20);
  for (const wrong of ["", "5", "1KiB", "-1G", "1.5G", "1X", "G"]) {
    assert.throws(() => parseSize(wrong), /from 1MiB up/, wrong);
  }
});

test("counts and seconds", () => {
  assert.equal(parseCount("50"), 50);
  assert.equal(parseSeconds("0.5"), 0.5);
  for (const wrong of ["0", "-1", "1.5", "x", "9999999999"]) assert.throws(() => parseCount(wrong));
  for (const wrong of ["0", "-1", "1e3", "x", ""]) assert.throws(() => parseSeconds(wrong));
});

test("moments are ages or RFC 3339", () => {
  const now = 1_795_216_205_000_000;
  assert.equal(parseMoment("2h", now), now - 7_200_000_000);
  assert.equal(parseMoment("2026-11-20T23:10:05Z", 0), now);
  assert.throws(() => parseMoment("yesterday", now), /'yesterday' is no moment: give an age/);
});

test("names and paths", () => {
  assert.equal(parseNode("worker-3.example"), "worker-3.example");
  assert.equal(parsePath("/host/proc/"), "/host/proc");
  assert.equal(parsePath("/"), "/");
  for (const wrong of ["", "-a", "a b", "a\n", 'a"']) assert.throws(() => parseNode(wrong));
  for (const wrong of ["", "proc", "/a\0b"]) assert.throws(() => parsePath(wrong));
});

test("the locale decides about signs, NO_COLOR about colour", () => {
  assert.equal(isUnicode({ LANG: "de_DE.UTF-8" }), true);
  assert.equal(isUnicode({ LANG: "de_DE.UTF-8", LC_ALL: "C" }), false);
  assert.equal(isUnicode({ LC_ALL: "", LC_CTYPE: "C.utf8", LANG: "C" }), true);
  assert.equal(isUnicode({}), false);
  assert.equal(wantsColour({}, true), true);
  assert.equal(wantsColour({}, false), false);
  assert.equal(wantsColour({ NO_COLOR: "1", FORCE_COLOR: "1" }, true), false);
  assert.equal(wantsColour({ NO_COLOR: "", FORCE_COLOR: "1" }, false), true);
});

test("an error is one line and a status", () => {
  assert.deepEqual(describeError(new CliError("E_LISTEN", "cannot listen.")), {
    line: "oomwitness: E_LISTEN: cannot listen.",
    status: 1,
  });
  assert.equal(describeError(new CliError("E_USAGE", "no.")).status, 2);
  const host = new HostError("ENOENT", "/p/boot_id", "ENOENT: no such file, open '/p/boot_id'");
  assert.match(describeError(host).line, /^oomwitness: E_HOST: ENOENT: .* --proc-root/);
  assert.match(describeError(new Error("boom")).line, /^oomwitness: E_INTERNAL: boom \(a fault/);
});
