import type { TextReply } from "../host/http.ts";
import { safeJson } from "./json-line.ts";

/** Replies every route uses. Nothing here may be framed, sniffed, cached or read by another site's page. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

type Headers = Readonly<Record<string, string>>;

export function headersOf(contentType: string, more: Headers = {}): Record<string, string> {
  return { ...SECURITY_HEADERS, "content-type": contentType, ...more };
}

export function textReply(
  status: number,
  contentType: string,
  body: string,
  more: Headers = {},
): TextReply {
  const length = { "content-length": String(Buffer.byteLength(body)) };
  return {
    kind: "text",
    status,
    headers: headersOf(contentType, { ...length, ...more }),
    body: [body],
  };
}

export const PLAIN = "text/plain; charset=utf-8";
export const JSON_TYPE = "application/json; charset=utf-8";

export function jsonReply(status: number, value: object, more: Headers = {}): TextReply {
  return textReply(status, JSON_TYPE, `${safeJson(value)}\n`, more);
}

export interface ListBody {
  readonly items: readonly object[];
  readonly next: string | null;
}

export function listReply(list: ListBody): TextReply {
  return jsonReply(200, { items: list.items, next: list.next });
}

/** `code` is stable for programs; `message` is one sentence that says what to do. */
export function errorReply(
  status: number,
  code: string,
  message: string,
  more: Headers = {},
): TextReply {
  return jsonReply(status, errorBody(code, message), more);
}

function errorBody(code: string, message: string): object {
  return { error: { code, message } };
}

/** For requests that never reached a route: unreadable, too large, too slow, or met a bug. */
export function failureBody(status: number): { headers: Record<string, string>; body: string } {
  const [code, message] = failureText(status);
  const retry: Headers = status === 503 ? { "retry-after": "1" } : {};
  return { headers: headersOf(JSON_TYPE, retry), body: `${safeJson(errorBody(code, message))}\n` };
}

function failureText(status: number): [code: string, message: string] {
  switch (status) {
    case 408:
      return ["request-timeout", "The request took too long to arrive: send it at once."];
    case 413:
      return [
        "body-not-allowed",
        "This server takes no request body: send the request without one.",
      ];
    case 431:
      return [
        "head-too-large",
        "The request head is larger than 16 KiB: send fewer or shorter headers.",
      ];
    case 503:
      return ["too-many-requests", "Too many lists are being read: try again in a second."];
    case 500:
      return ["internal", "The agent met a bug while answering: see its log and report it."];
    default:
      return ["bad-request", "The request could not be read: send plain HTTP/1.1."];
  }
}
