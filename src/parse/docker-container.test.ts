import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDockerInspect, parseDockerListed } from "./docker-container.ts";
import { parsePodmanInspect, parsePodmanListed } from "./podman-container.ts";

const ID = "4c26".repeat(16);
const IMAGE_ID = "1e91".repeat(16);
// Shortened answers of Docker 20.10.24 and Podman 4.3.1, here.
const RUNNING = `{"Id":"${ID}","State":{"Status":"running","Running":true,"OOMKilled":false,"Pid":1778,"ExitCode":0,"StartedAt":"2026-11-21T06:52:42.566474123Z","FinishedAt":"0001-01-01T00:00:00Z"},"Image":"sha256:${IMAGE_ID}","Name":"/a3","RestartCount":2,"Config":{"Image":"hog:1","Labels":{}}}`;
const INITIALIZED = `{"Id":"${ID}","State":{"Status":"initialized","Running":false,"OOMKilled":false,"Pid":29200,"ExitCode":137,"StartedAt":"2026-11-21T07:24:29.469369922Z","FinishedAt":"2026-11-21T07:24:29.51695855Z"},"Image":"${IMAGE_ID}","ImageName":"localhost/bomb:1","Name":"c1","RestartCount":0,"IsInfra":false,"Config":{"Image":"localhost/bomb:1","Labels":null}}`;
const LISTED = `{"Id":"${ID}","Names":["/other/alias","/a3"],"Image":"hog:1","ImageID":"sha256:${IMAGE_ID}","Labels":{},"State":"exited"}`;

test("a running container of Docker", () => {
  const inspect = parseDockerInspect(RUNNING);
  assert.equal(inspect?.mainPid, 1778);
  assert.equal(inspect?.name, "a3");
  assert.equal(inspect?.image, "hog:1");
  assert.equal(inspect?.restarts, 2);
  assert.equal(inspect?.startedMicroseconds, Date.parse("2026-11-21T06:52:42Z") * 1000 + 566_474);
  assert.equal(inspect?.finishedMicroseconds, null, "the year 1 is never");
});

test("one that waits for its restart is called running, and has no process", () => {
  const waiting = RUNNING.replace('"Pid":1778', '"Pid":0,"Restarting":true');
  assert.equal(parseDockerInspect(waiting)?.running, false);
  assert.equal(parseDockerInspect(waiting)?.mainPid, null);
});

test("one that Podman made and not started has a process, and the times of the run before", () => {
  const inspect = parsePodmanInspect(INITIALIZED);
  assert.equal(inspect?.running, true);
  assert.equal(inspect?.mainPid, 29200);
  assert.equal(inspect?.startedMicroseconds, null);
  assert.equal(inspect?.imageId, `sha256:${IMAGE_ID}`);
  assert.equal(parsePodmanInspect(INITIALIZED.replace("29200", "0"))?.running, false);
});

test("Podman's infra container is nobody's workload", () => {
  const infra = INITIALIZED.replace('"IsInfra":false', '"IsInfra":true');
  assert.equal(parsePodmanInspect(infra)?.sandbox, true);
  assert.equal(parsePodmanInspect(INITIALIZED)?.sandbox, false);
  const listed = LISTED.replace("{", '{"IsInfra":true,');
  assert.equal(parsePodmanListed(listed)?.sandbox, true);
});

test("a list: the container's own name, and whether it may have a process", () => {
  const one = parseDockerListed(LISTED);
  assert.equal(one?.name, "a3");
  assert.equal(one?.active, false);
  const running = LISTED.replace("exited", "running");
  assert.equal(parseDockerListed(running)?.active, true);
});

test("elements that are no containers are none", () => {
  for (const text of ["null", "1", '"x"', "{}", "[]", "", "[", `[${LISTED}]`]) {
    assert.equal(parseDockerListed(text), null);
  }
});

test("no text makes them throw, and unknown is null", () => {
  const damaged = fc
    .tuple(fc.constantFrom(RUNNING, INITIALIZED, LISTED), fc.nat(500), fc.json())
    .map(([text, at, other]) => text.slice(0, at) + other + text.slice(at));
  fc.assert(
    fc.property(fc.oneof(damaged, fc.json()), (text) => {
      parseDockerListed(text);
      parsePodmanListed(text);
      for (const inspect of [parseDockerInspect(text), parsePodmanInspect(text)]) {
        assert.ok(inspect?.name !== "" && inspect?.image !== "");
        assert.ok((inspect?.mainPid ?? 1) > 0);
      }
    }),
  );
});
