import { createHash, timingSafeEqual } from "node:crypto";
import type { HttpReply, HttpRequest } from "../host/http.ts";
import { errorReply, PLAIN, textReply } from "./http-reply.ts";

/** Who may ask. Probes carry no token: they may learn whether the agent is well, and nothing else. */
export interface TokenGuard {
  /** The token that is valid now. */
  token(): string;
  ready(): boolean;
}

/** The answer to a request without the right token; `null` when it may pass. */
export function refuseStranger(request: HttpRequest, guard: TokenGuard | null): HttpReply | null {
  if (guard === null || isAuthorised(request, guard.token())) return null;
  switch (request.target) {
    case "/healthz":
      return textReply(200, PLAIN, "ok\n");
    case "/readyz":
      return guard.ready()
        ? textReply(200, PLAIN, "ready\n")
        : textReply(503, PLAIN, "not ready\n");
    default:
      return errorReply(
        401,
        "token-needed",
        "Send the token of the agent's --token-file as 'Authorization: Bearer TOKEN'.",
        { "www-authenticate": 'Bearer realm="oomwitness"' },
      );
  }
}

function isAuthorised(request: HttpRequest, token: string): boolean {
  const given = /^Bearer +([!-~]+) *$/i.exec(request.header("authorization") ?? "")?.[1];
  // Digests have one length, so that the time to compare says nothing of the token, not even how long it is.
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
