import type { HttpReply, HttpRequest } from "../host/http.ts";
import type { HttpAddress } from "../host/http-listen.ts";
import { errorReply } from "./http-reply.ts";

export interface GuardOptions {
  /** Where the server listens. */
  readonly at: HttpAddress;
  /** Further names under which it may be asked, for a proxy in front of it. */
  readonly allowedHosts: readonly string[];
}

/**
 * Refuses what a web page of another site can make a browser on this machine send; `null` when the request may pass.
 * Without it a page could rebind its own name to 127.0.0.1 and read the records as its own origin.
 */
export function refuseForeign(request: HttpRequest, options: GuardOptions): HttpReply | null {
  const host = request.header("host");
  if (isPrivate(options.at) && host !== null && !isLocalHost(host, options.allowedHosts)) {
    return errorReply(
      403,
      "host-not-allowed",
      "The Host header names another machine: ask for localhost or 127.0.0.1, or set another --listen address.",
    );
  }
  if (
    request.header("sec-fetch-site") === "cross-site" &&
    request.header("sec-fetch-mode") !== "navigate"
  ) {
    return errorReply(
      403,
      "cross-site",
      "Pages of other sites may not read this: open it directly.",
    );
  }
  return null;
}

/** Over a Unix socket no browser comes, and there is no name to rebind. */
function isPrivate(at: HttpAddress): boolean {
  return at.kind === "tcp" && isLoopback(at.address);
}

export function isLoopback(address: string): boolean {
  return address === "localhost" || address === "::1" || /^127(?:\.\d{1,3}){3}$/.test(address);
}

function isLocalHost(header: string, allowedHosts: readonly string[]): boolean {
  const name = hostName(header);
  return (
    isLoopback(name) ||
    name.endsWith(".localhost") ||
    allowedHosts.some((host) => host.toLowerCase() === name)
  );
}

/** `LocalHost.:9137` → `localhost`, `[::1]:9137` → `::1`. */
function hostName(header: string): string {
  const bracketed = /^\[([0-9a-f:.]+)\](?::\d{1,5})?$/i.exec(header);
  const name = bracketed?.[1] ?? header.replace(/:\d{1,5}$/, "").replace(/\.$/, "");
  return name.toLowerCase();
}
