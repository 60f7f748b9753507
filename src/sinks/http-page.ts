import type { HttpReply } from "../host/http.ts";
import { textReply } from "./http-reply.ts";

const LINKS: readonly (readonly [path: string, what: string])[] = [
  ["/api/v1/kills", "recorded kills, newest first"],
  ["/api/v1/exits", "ends of containers, with a verdict each"],
  ["/api/v1/ledger", "the kernel's books beside ours"],
  ["/api/v1/sources", "what the agent can see here"],
  ["/api/v1/events", "records as they happen (server-sent events)"],
  ["/metrics", "for Prometheus"],
  ["/healthz", "is it alive"],
  ["/readyz", "has every source reported"],
];

/** A plain page for whoever opens the address in a browser: no script, no style, nothing from outside. */
export function pageRoute(node: string, version: string): HttpReply {
  const rows = LINKS.map(([path, what]) => `<li><a href="${path}">${path}</a>: ${what}</li>`);
  const body = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width"><title>oomwitness on ${escapeHtml(node)}</title></head>
<body>
<h1>oomwitness on ${escapeHtml(node)}</h1>
<p>This agent sees every OOM kill on this machine. Version ${escapeHtml(version)}.</p>
<ul>
${rows.join("\n")}
</ul>
</body>
</html>
`;
  return textReply(200, "text/html; charset=utf-8", body);
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
