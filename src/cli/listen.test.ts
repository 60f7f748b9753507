import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createHost } from "../host/real.ts";
import { listenOptions } from "./listen.ts";
import { parseListen } from "./options.ts";

const host = createHost();
const listen = (text: string, more: object = {}) =>
  listenOptions({ listen: parseListen(text), ...more }, host);

test("what others can reach needs a token, or the word that it needs none", () => {
  for (const here of ["127.0.0.1:9137", "localhost:1", "[::1]:0", "unix:/run/oomwitness.sock"]) {
    assert.equal(listen(here).token, null, here);
  }
  for (const public_ of [":9137", "10.0.0.1:9137", "[::]:9137", "worker-3:80"]) {
    assert.throws(() => listen(public_), {
      code: "E_USAGE",
      message: /^--listen \S+ lets other machines .*--token-file FILE, or --open/,
    });
    assert.equal(listen(public_, { open: true }).token, null, public_);
  }
});

test("a token file is read, and read again after some seconds", () => {
  const directory = mkdtempSync(join(tmpdir(), "oomwitness-test-"));
  const tokenFile = join(directory, "token");
  let microseconds = 0;
  const clock = { ...host.clock, monotonicMicroseconds: () => microseconds };
  const options = { listen: parseListen(":9137"), tokenFile };
  const start = () => listenOptions(options, { files: host.files, clock }).token ?? assert.fail();
  try {
    assert.throws(start, { code: "E_USAGE", message: /token-file: .*ENOENT/ });
    for (const wrong of ["", "short", "a token with some spaces", "zwölf-zeichen-und-mehr"]) {
      writeFileSync(tokenFile, `${wrong}\n`);
      assert.throws(start, { code: "E_USAGE", message: /16 or more .*openssl rand/ }, wrong);
    }
    writeFileSync(tokenFile, "first-token-of-this-file\n");
    const token = start();
    assert.equal(token(), "first-token-of-this-file");
    writeFileSync(tokenFile, "second-token-of-this-file\n");
    assert.equal(token(), "first-token-of-this-file");
    microseconds += 6_000_000;
    assert.equal(token(), "second-token-of-this-file");
    writeFileSync(tokenFile, "");
    microseconds += 6_000_000;
    assert.equal(token(), "second-token-of-this-file");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
