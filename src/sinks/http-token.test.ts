import assert from "node:assert/strict";
import { test } from "node:test";
import { startHttp } from "./http.ts";
import { ask } from "./testing/http-client.ts";
import { agentView, realClock } from "./testing/records.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";
const PATHS = ["/", "/metrics", "/api/v1/kills", "/api/v1/ledger", "/api/v1/events", "/nowhere"];

test("with a token nothing is told without it but whether the agent is well", async () => {
  let token = TOKEN;
  let problem: string | null = null;
  const sink = await startHttp({
    at: { kind: "tcp", address: "127.0.0.1", port: 0 },
    view: agentView(),
    log: null,
    clock: realClock,
    token: () => token,
    notReady: () => problem,
    report: assert.fail,
  });
  const status = async (path: string, authorization?: string) =>
    (await ask(sink.url + path, authorization === undefined ? {} : { headers: { authorization } }))
      .status;
  try {
    for (const path of PATHS) {
      for (const wrong of [undefined, "Bearer", `Bearer ${TOKEN.slice(1)}`, `Basic ${TOKEN}`]) {
        assert.equal(await status(path, wrong), 401, `${path} ${wrong}`);
      }
    }
    const refused = await ask(`${sink.url}/metrics`);
    assert.match(String(refused.headers["www-authenticate"]), /^Bearer/);
    assert.equal(JSON.parse(refused.body).error.code, "token-needed");
    assert.equal(await status("/metrics", `Bearer ${TOKEN}`), 200);
    assert.equal(await status("/api/v1/kills", `bearer ${TOKEN}`), 200);
    assert.equal(await status("/healthz"), 200);
    assert.equal((await ask(`${sink.url}/readyz`)).body, "ready\n");
    problem = "a secret path";
    assert.equal((await ask(`${sink.url}/readyz`)).body, "not ready\n");
    token = "another-token-of-the-file";
    assert.equal(await status("/metrics", `Bearer ${TOKEN}`), 401);
    assert.equal(await status("/metrics", `Bearer ${token}`), 200);
  } finally {
    await sink.close();
  }
});
