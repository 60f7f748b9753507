import type { Clock, Files } from "../host/host.ts";
import type { HttpAddress } from "../host/http-listen.ts";
import { isLoopback } from "../sinks/http-guard.ts";
import { CliError, messageOf } from "./errors.ts";
import { flagOption, type RawOptions, textOption } from "./options.ts";

/** Where the agent listens, and the token that its clients need; `null` when they need none. */
export interface Listening {
  readonly at: HttpAddress;
  readonly token: (() => string) | null;
}

/** A new token in the file counts from the next request after this. */
const REREAD_MILLISECONDS = 5_000;
const SHORTEST_TOKEN = 16;
const MAKE_ONE = "make one with: openssl rand -hex 32";

/** `--listen`, `--token-file`, `--open`. Throws `CliError`: what others can reach needs a token, or the word that it needs none. */
export function listenOptions(
  options: RawOptions,
  { files, clock }: { readonly files: Files; readonly clock: Clock },
): Listening {
  const at = options["listen"];
  if (!isAddress(at)) {
    throw new CliError("E_USAGE", "--listen needs ADDRESS:PORT, such as 127.0.0.1:9137.");
  }
  const path = textOption(options, "tokenFile");
  if (path !== null) return { at, token: tokenFrom(path, files, clock) };
  if (at.kind === "unix" || isLoopback(at.address) || flagOption(options, "open")) {
    return { at, token: null };
  }
  throw new CliError(
    "E_USAGE",
    `--listen ${at.address}:${at.port} lets other machines read every record: give --token-file FILE, or --open if they may.`,
  );
}

/** What `parseListen` gave passes through commander, which does not say so. */
function isAddress(value: unknown): value is HttpAddress {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  return value.kind === "tcp" || value.kind === "unix";
}

/** Read again now and then, since tokens are changed under way (a Kubernetes secret); one that cannot be read changes nothing. */
function tokenFrom(path: string, files: Files, clock: Clock): () => string {
  let token = readToken(path, files);
  let readAt = clock.monotonicMicroseconds();
  return () => {
    const now = clock.monotonicMicroseconds();
    if (now - readAt < REREAD_MILLISECONDS * 1000) return token;
    readAt = now;
    try {
      token = readToken(path, files);
    } catch {}
    return token;
  };
}

function readToken(path: string, files: Files): string {
  let text: string;
  try {
    text = files.readText(path).trim();
  } catch (error) {
    throw new CliError("E_USAGE", `--token-file: ${messageOf(error)}.`);
  }
  if (text.length >= SHORTEST_TOKEN && /^[!-~]+$/.test(text)) return text;
  throw new CliError(
    "E_USAGE",
    `--token-file ${path} must hold one line of ${SHORTEST_TOKEN} or more visible ASCII characters: ${MAKE_ONE} > ${path}`,
  );
}
