import assert from "node:assert/strict";
import { test } from "node:test";
import type { KillRecord } from "../model/record.ts";
import { type HttpOptions, type HttpSink, startHttp } from "./http.ts";
import { createMemoryLog } from "./memory-log.ts";
import { ask, rawExchange } from "./testing/http-client.ts";
import { agentView, killRecord, LEDGER, realClock, SOURCE } from "./testing/records.ts";

const KILLS = Array.from({ length: 250 }, (_, index) => killRecord(250 - index));

async function withServer(
  change: Partial<HttpOptions>,
  work: (sink: HttpSink) => Promise<void>,
): Promise<void> {
  const sink = await startHttp({
    at: { kind: "tcp", address: "127.0.0.1", port: 0 },
    view: agentView({ recentKills: () => KILLS }),
    log: null,
    clock: realClock,
    report: (sentence) => assert.fail(sentence),
    ...change,
  });
  try {
    await work(sink);
  } finally {
    await sink.close();
  }
}

interface List {
  readonly items: readonly KillRecord[];
  readonly next: string | null;
}

test("every route of the contract answers", () =>
  withServer({}, async ({ url }) => {
    const routes: readonly [path: string, type: string, pattern: RegExp][] = [
      ["/", "text/html", /href="\/api\/v1\/kills"/],
      ["/metrics", "text/plain; version=0.0.4", /^oomwitness_source_up\{source="kernel-log"\} 1$/m],
      ["/healthz", "text/plain", /^ok\n$/],
      ["/readyz", "text/plain", /^ready\n$/],
      ["/api/v1/kills", "application/json", /"items":\[/],
      ["/api/v1/kills/k00000007", "application/json", /"id":"k00000007"/],
      ["/api/v1/ledger", "application/json", /"type":"ledger"/],
      ["/api/v1/sources", "application/json", /"items":\[\{"type":"source"/],
    ];
    for (const [path, type, pattern] of routes) {
      const answer = await ask(url + path);
      assert.equal(answer.status, 200, path);
      assert.ok(answer.headers["content-type"]?.startsWith(type), path);
      assert.match(answer.body, pattern);
      assert.equal(answer.headers["x-content-type-options"], "nosniff");
      assert.match(String(answer.headers["content-security-policy"]), /default-src 'none'/);
    }
    assert.deepEqual(JSON.parse((await ask(`${url}/api/v1/ledger`)).body), LEDGER);
    const sources = JSON.parse((await ask(`${url}/api/v1/sources`)).body);
    assert.deepEqual(sources, { items: [SOURCE], next: null });
  }));

test("kills: 100 by default, newest first, pages join without a seam", () =>
  withServer({}, async ({ url }) => {
    const ids: string[] = [];
    let query = "";
    for (let more = true; more; ) {
      const page: List = JSON.parse((await ask(`${url}/api/v1/kills${query}`)).body);
      ids.push(...page.items.map(({ id }) => id));
      more = page.next !== null;
      query = `?cursor=${page.next}`;
    }
    assert.deepEqual(
      ids,
      KILLS.map(({ id }) => id),
    );
    const bounds =
      "since=2026-11-20T23:10:05.010Z&until=2026-11-21T00:10:05.013%2B01:00&limit=1000";
    const some: List = JSON.parse((await ask(`${url}/api/v1/kills?${bounds}`)).body);
    assert.deepEqual(
      some.items.map(({ id }) => id),
      ["k00000012", "k00000011", "k00000010"],
    );
  }));

const BAD: readonly [path: string, status: number, code: string][] = [
  ["/api/v1/kills?limit=0", 400, "bad-limit"],
  ["/api/v1/kills?limit=1001", 400, "bad-limit"],
  ["/api/v1/kills?limit=1e2", 400, "bad-limit"],
  ["/api/v1/kills?limit=", 400, "bad-limit"],
  ["/api/v1/kills?since=yesterday", 400, "bad-since"],
  ["/api/v1/kills?since=2026-02-30T00:00:00Z", 400, "bad-since"],
  ["/api/v1/kills?until=15", 400, "bad-until"],
  ["/api/v1/kills?cursor=%00%ff", 400, "bad-cursor"],
  ["/api/v1/kills?cursor=", 400, "bad-cursor"],
  ["/api/v1/kills?form=1h", 400, "unknown-parameter"],
  ["/api/v1/kills?limit=1&limit=2", 400, "repeated-parameter"],
  ["/api/v1/kills/k000000", 400, "ambiguous-id"],
  ["/api/v1/kills/%zz", 400, "bad-id"],
  ["/api/v1/kills/nobody", 404, "no-such-kill"],
  ["/api/v1/kills/a/b", 404, "not-found"],
  ["/api/v1/kills/", 404, "not-found"],
  ["/api/v1/ledger?x=1", 400, "unknown-parameter"],
  ["/api/v1/events?after=-1", 400, "bad-event-id"],
  ["/api/v1/events?after=9999999999999999999", 400, "bad-event-id"],
  ["/../etc/passwd", 404, "not-found"],
  ["/__proto__", 404, "not-found"],
];

test("bad input is told what to do, in one sentence with a stable code", () =>
  withServer({}, async ({ port }) => {
    for (const [path, status, code] of BAD) {
      // Raw, because a well-behaved client would rewrite some of these.
      const reply = await rawExchange(
        port,
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      assert.match(reply, new RegExp(`^HTTP/1.1 ${status} `), path);
      const { error } = JSON.parse(reply.slice(reply.indexOf("\r\n\r\n")));
      assert.equal(error.code, code, path);
      assert.match(error.message, /^[A-Z'].*\.$/);
    }
  }));

test("other methods get 405 with Allow, HEAD gets the head of GET", () =>
  withServer({}, async ({ url }) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const answer = await ask(`${url}/metrics`, { method });
      assert.deepEqual([answer.status, answer.headers.allow], [405, "GET, HEAD"]);
    }
    for (const path of ["/metrics", "/api/v1/kills", "/api/v1/events"]) {
      const answer = await ask(url + path, { method: "HEAD" });
      assert.deepEqual([answer.status, answer.body], [200, ""], path);
    }
  }));

test("a request with a body is refused", () =>
  withServer({}, async ({ url }) => {
    for (const headers of [{ "content-length": "1000" }, { "transfer-encoding": "chunked" }]) {
      const body = "x".repeat(1_000);
      const answer = await ask(`${url}/api/v1/kills`, { headers, body });
      assert.equal(answer.status, 413);
      assert.match(answer.body, /body-not-allowed/);
    }
  }));

test("a page of another site cannot read the records through a name that it points at 127.0.0.1", () =>
  withServer({ allowedHosts: ["witness.example"] }, async ({ url, port }) => {
    for (const [host, status] of [
      ["evil.example", 403],
      [`evil.example:${port}`, 403],
      ["127.0.0.1.evil.example", 403],
      ["localhost.evil.example", 403],
      ["[::1", 403],
      ["localhost", 200],
      [`LOCALHOST.:${port}`, 200],
      ["a.localhost", 200],
      ["127.1.2.3", 200],
      ["[::1]:9137", 200],
      ["witness.example", 200],
    ] as const) {
      assert.equal((await ask(`${url}/healthz`, { headers: { host } })).status, status, host);
    }
    const nameless = "GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n";
    assert.match(await rawExchange(port, nameless), /^HTTP\/1.1 403 /);
    const foreign = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" };
    assert.equal((await ask(`${url}/api/v1/events`, { headers: foreign })).status, 403);
    const followed = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
    assert.equal((await ask(`${url}/`, { headers: followed })).status, 200);
  }));

test("a server on another address may be asked by any name", () =>
  withServer({ at: { kind: "tcp", address: "0.0.0.0", port: 0 } }, async ({ port }) => {
    const headers = { host: "worker-3.example" };
    assert.equal((await ask(`http://127.0.0.1:${port}/healthz`, { headers })).status, 200);
  }));

test("a request that is too large, malformed or too slow is cut off", () =>
  withServer({ serveLimits: { requestMilliseconds: 300 } }, async ({ port, url }) => {
    const large = `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}\r\n\r\n`;
    assert.match(await rawExchange(port, large), /^HTTP\/1.1 431 .*head-too-large/s);
    assert.match(await rawExchange(port, "nonsense\r\n\r\n"), /^HTTP\/1.1 400 .*bad-request/s);
    assert.match(
      await rawExchange(
        port,
        "GET http://a/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
      ),
      /bad-target/,
    );
    const started = performance.now();
    assert.match(await rawExchange(port, "GET / HTTP/1.1\r\nHost: loc"), /^HTTP\/1.1 408 /);
    assert.ok(performance.now() - started < 5_000);
    assert.equal((await ask(`${url}/healthz`)).status, 200);
  }));

test("readiness follows the agent, a broken store is a 503 with a reason, a bug a 500 without details", async () => {
  let ready = false;
  const reports: string[] = [];
  const broken = createMemoryLog(agentView());
  const log = {
    ...broken,
    kill: () => {
      throw new Error("secret detail");
    },
  };
  await withServer(
    { view: agentView({ ready: () => ready }), log, report: (line) => reports.push(line) },
    async ({ url }) => {
      assert.equal((await ask(`${url}/readyz`)).status, 503);
      ready = true;
      assert.equal((await ask(`${url}/readyz`)).status, 200);
      const crashed = await ask(`${url}/api/v1/kills/x`);
      assert.equal(crashed.status, 500);
      assert.doesNotMatch(crashed.body, /secret/);
      assert.match(reports.join(), /secret detail/);
    },
  );
});

test("an address in use, a forbidden and a foreign one say what to do", () =>
  withServer({}, async ({ port }) => {
    const again = (address: string, busyPort: number) =>
      startHttp({
        at: { kind: "tcp", address, port: busyPort },
        view: agentView(),
        log: null,
        clock: realClock,
        report: () => undefined,
      });
    await assert.rejects(again("127.0.0.1", port), {
      code: "EADDRINUSE",
      message: /cannot listen on 127\.0\.0\.1:\d+: another program listens there/,
    });
    await assert.rejects(again("203.0.113.7", 0), { code: "EADDRNOTAVAIL", message: /--listen/ });
  }));

test("a scrape of 10,000 series by a reader that stops reading holds nobody up", () => {
  const kills = Array.from({ length: 10_000 }, (_, index) => ({
    labels: { namespace: "shop", pod: `cart-${index}`, container: "api", scope: "container" },
    value: index,
  }));
  const view = agentView();
  const large = { ...view, metrics: () => ({ ...view.metrics(), kills }) };
  return withServer({ view: large }, async ({ url }) => {
    const answer = await ask(`${url}/metrics`);
    assert.equal(answer.body.match(/^oomwitness_kills_total\{/gm)?.length, 10_001);
    assert.ok(answer.body.endsWith("\n"));
  });
});
