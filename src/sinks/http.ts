import type { Clock } from "../host/host.ts";
import {
  type HttpReply,
  type HttpRequest,
  type HttpServer,
  type ServeLimits,
  serve,
} from "../host/http.ts";
import type { HttpAddress } from "../host/http-listen.ts";
import { DEFAULT_EVENT_LIMITS, EventHub, type EventLimits } from "./http-events.ts";
import { refuseForeign } from "./http-guard.ts";
import { exitsRoute, killRoute, killsRoute, strangeParameter } from "./http-kills.ts";
import { pageRoute } from "./http-page.ts";
import {
  errorReply,
  failureBody,
  headersOf,
  jsonReply,
  listReply,
  PLAIN,
  textReply,
} from "./http-reply.ts";
import { refuseStranger } from "./http-token.ts";
import { createMemoryLog } from "./memory-log.ts";
import {
  type CompatOptions,
  createMetricsRenderer,
  type Drop,
  METRICS_CONTENT_TYPE,
} from "./prometheus.ts";
import type { Reader } from "./prometheus-scrapers.ts";
import type { AgentView, Sink } from "./sink.ts";
import type { RecordLog } from "./store-read.ts";

export interface HttpOptions {
  readonly at: HttpAddress;
  readonly view: AgentView;
  /** The store; `null` when the agent has none: then lists reach as far as its memory. */
  readonly log: RecordLog | null;
  readonly clock: Clock;
  /** Names besides localhost under which a loopback server may be asked (a proxy in front of it). */
  readonly allowedHosts?: readonly string[];
  /** What clients must send as `Authorization: Bearer …`; `null` when they need nothing. */
  readonly token?: (() => string) | null;
  /** Metrics under the names of other programs. */
  readonly compat?: CompatOptions;
  /** What else was dropped and belongs in `oomwitness_dropped_total`. */
  otherDrops?(): readonly Drop[];
  /** Why the agent cannot do its work now although its sources can, as a clause; `null` when it can. */
  notReady?(): string | null;
  /** A bug met while answering. */
  report(sentence: string): void;
  readonly eventLimits?: Partial<EventLimits>;
  readonly serveLimits?: Partial<ServeLimits>;
}

export interface HttpSink extends Sink {
  readonly port: number;
  /** `http://127.0.0.1:9137` or `unix:/run/oomwitness.sock` */
  readonly url: string;
  drops(): readonly Drop[];
}

/** Listens and answers. Rejects with `HostError` (EADDRINUSE, EACCES, …) whose message says what to do. */
export async function startHttp(options: HttpOptions): Promise<HttpSink> {
  const log = options.log ?? createMemoryLog(options.view);
  const limits = { ...DEFAULT_EVENT_LIMITS, ...options.eventLimits };
  const events = new EventHub({ log, clock: options.clock, limits });
  const drops = (): readonly Drop[] => [
    { what: "event-readers", count: events.droppedClients() },
    { what: "http-connections", count: refused().connections },
    { what: "http-lists", count: refused().longReplies },
  ];
  let refused: HttpServer["refused"] = () => ({ connections: 0, longReplies: 0 });
  const handler = createHandler({ options, log, events, drops });
  const server = await serve({
    at: options.at,
    handler,
    failure: failureBody,
    crashed: (error) => options.report(`a request was answered with 500: ${String(error)}`),
    limits: options.serveLimits ?? {},
  }).catch((error: unknown) => {
    events.close();
    throw error;
  });
  refused = server.refused;
  return {
    name: "http",
    port: server.port,
    url: urlOf(options.at, server.port),
    accept: (records) => events.accept(records),
    close: async () => {
      events.close();
      await server.close();
    },
    drops,
  };
}

function urlOf(at: HttpAddress, port: number): string {
  if (at.kind === "unix") return `unix:${at.path}`;
  return `http://${at.address.includes(":") ? `[${at.address}]` : at.address}:${port}`;
}

interface Parts {
  readonly options: HttpOptions;
  readonly log: RecordLog;
  readonly events: EventHub;
  drops(): readonly Drop[];
}

interface Asked {
  readonly request: HttpRequest;
  readonly parameters: URLSearchParams;
}

type Route = (asked: Asked) => HttpReply;

function createHandler(parts: Parts): (request: HttpRequest) => HttpReply {
  const { options } = parts;
  const guard = { at: options.at, allowedHosts: options.allowedHosts ?? [] };
  const routes = createRoutes(parts);
  const { token } = options;
  const ready = () => options.view.ready() && (options.notReady?.() ?? null) === null;
  const tokens = token === undefined || token === null ? null : { token, ready };
  return (request) =>
    refuseForeign(request, guard) ??
    refuseStranger(request, tokens) ??
    dispatch(parts, routes, request);
}

function createRoutes({ options, log, events, drops }: Parts): ReadonlyMap<string, Route> {
  const { view, clock } = options;
  const metrics = createMetricsRenderer(view, options.compat);
  const scrape = ({ request }: Asked): HttpReply => ({
    kind: "text",
    status: 200,
    headers: headersOf(METRICS_CONTENT_TYPE),
    body: metrics.render(
      [...drops(), ...(options.otherDrops?.() ?? [])],
      clock.monotonicMicroseconds() / 1_000_000,
      readerOf(request),
    ),
  });
  return new Map<string, Route>([
    // A scraper may add parameters of its own; nobody else may.
    ["/metrics", scrape],
    ["/healthz", () => textReply(200, PLAIN, "ok\n")],
    ["/readyz", () => readyRoute(view, options.notReady?.() ?? null)],
    ["/", () => pageRoute(view.node, view.version)],
    ["/api/v1/kills", ({ parameters }) => killsRoute(log, parameters, clock.wallMicroseconds())],
    ["/api/v1/exits", ({ parameters }) => exitsRoute(log, parameters, clock.wallMicroseconds())],
    ["/api/v1/ledger", bare(() => jsonReply(200, view.ledger()))],
    ["/api/v1/sources", bare(() => listReply({ items: view.sources(), next: null }))],
    ["/api/v1/events", ({ request, parameters }) => events.route(request, parameters)],
  ]);
}

/** Prometheus, and all that are built on its scraper, say how long they wait. */
function readerOf(request: HttpRequest): Reader {
  return {
    name: `${request.remoteAddress} ${request.header("user-agent") ?? ""}`,
    scrapes: request.header("x-prometheus-scrape-timeout-seconds") !== null,
  };
}

function readyRoute(view: AgentView, problem: string | null): HttpReply {
  if (problem !== null) return textReply(503, PLAIN, `not ready: ${problem}\n`);
  if (view.ready()) return textReply(200, PLAIN, "ready\n");
  // A source that has not reported yet is down without a reason.
  const silent = view.sources().filter(({ state, reason }) => state === "down" && reason === null);
  const names = silent.map(({ source }) => source).join(", ");
  return textReply(503, PLAIN, `not ready: ${names || "a source"} has not reported yet\n`);
}

/** A route that takes no parameters. */
function bare(answer: () => HttpReply): Route {
  return ({ parameters }) => {
    const strange = strangeParameter(parameters, []);
    return strange === null ? answer() : errorReply(400, strange.code, strange.message);
  };
}

const KILL_PATH = "/api/v1/kills/";

function dispatch(
  parts: Parts,
  routes: ReadonlyMap<string, Route>,
  request: HttpRequest,
): HttpReply {
  const target = parseTarget(request.target);
  if (target === null) {
    return errorReply(400, "bad-target", "The request target must be a path that begins with '/'.");
  }
  const route = routes.get(target.path) ?? killById(parts.log, target.path);
  if (route === null) {
    return errorReply(404, "not-found", "Nothing is here: see / for what this server offers.");
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    const message = "This can only be read: use GET or HEAD.";
    return errorReply(405, "method-not-allowed", message, { allow: "GET, HEAD" });
  }
  return route({ request, parameters: target.parameters });
}

function killById(log: RecordLog, path: string): Route | null {
  if (!path.startsWith(KILL_PATH)) return null;
  const id = path.slice(KILL_PATH.length);
  if (id === "" || id.includes("/")) return null;
  return bareId(log, id);
}

function bareId(log: RecordLog, encoded: string): Route {
  return bare(() => {
    try {
      return killRoute(log, decodeURIComponent(encoded));
    } catch (error) {
      if (!(error instanceof URIError)) throw error;
      return errorReply(400, "bad-id", "The id in the path is not valid percent-encoding.");
    }
  });
}

function parseTarget(target: string): { path: string; parameters: URLSearchParams } | null {
  if (!target.startsWith("/")) return null;
  const [path = "", query = ""] = split(target, "?");
  return { path, parameters: new URLSearchParams(query) };
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
