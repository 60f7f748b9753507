import { HostError } from "../host/host.ts";
import type { Texts } from "../host/texts.ts";
import type { Context } from "./environment.ts";
import { CliError } from "./errors.ts";

/** What one word of the command line means. */
export type Input =
  /** `path` is `null` for standard input. */
  | {
      readonly kind: "text";
      readonly name: string;
      readonly path: string | null;
      readonly bytes: number;
      /** When it was last written: no line of it is later (wall µs). */
      readonly latestMicroseconds: number;
    }
  /** Something like /dev/kmsg: read as far as it has got, in one go. */
  | { readonly kind: "device"; readonly name: string; readonly path: string }
  | { readonly kind: "id"; readonly id: string };

/** An id of a recorded kill or its beginning: `5f6c2a34-4219-2`, `4219-2`. */
const ID = /^[0-9a-z][0-9a-z-]{0,63}$/i;
const PATTERN = /[*?[{]/;

/** What a word means; several files for a pattern. Throws `CliError` for a directory or nothing there. */
export function resolveInput(context: Context, word: string): readonly Input[] {
  if (word === "-") return [standardInput(context)];
  const facts = lookAt(context.texts, word);
  if (facts !== null) return [input(word, facts)];
  if (PATTERN.test(word)) return matches(context.texts, word);
  if (ID.test(word)) return [{ kind: "id", id: word }];
  throw new CliError("E_INPUT", `there is no file '${word}'.`);
}

function standardInput({ console, host, texts }: Context): Input {
  if (texts.typed) {
    console.error("oomwitness: reading standard input: paste a kernel log, then end with Ctrl-D");
  }
  const latestMicroseconds = host.clock.wallMicroseconds();
  return { kind: "text", name: "-", path: null, bytes: 0, latestMicroseconds };
}

type Facts = ReturnType<Texts["look"]>;

/** `null`: there is nothing of that name. */
function lookAt(texts: Texts, path: string): Facts | null {
  try {
    return texts.look(path);
  } catch (error) {
    const code = error instanceof HostError ? error.code : "";
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return null;
    throw unreadable(path, error);
  }
}

function input(path: string, facts: Facts): Input {
  switch (facts.kind) {
    case "directory":
      throw new CliError(
        "E_INPUT",
        `'${path}' is a directory: name its files, such as '${path.replace(/\/+$/, "")}/*'.`,
      );
    case "device":
      return { kind: "device", name: path, path };
    case "file":
    case "pipe": {
      const { bytes, modifiedMicroseconds } = facts;
      return { kind: "text", name: path, path, bytes, latestMicroseconds: modifiedMicroseconds };
    }
  }
}

/** Directories that match are passed over: `/var/log/*` means the files. */
function matches(texts: Texts, pattern: string): readonly Input[] {
  const found = texts.expand(pattern).flatMap((path) => {
    const facts = lookAt(texts, path);
    return facts === null || facts.kind === "directory" ? [] : [input(path, facts)];
  });
  if (found.length > 0) return found;
  throw new CliError("E_INPUT", `no file matches '${pattern}'.`);
}

/** A sentence for a file that cannot be read. */
export function unreadable(name: string, error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (!(error instanceof HostError)) throw error;
  const why = REASONS[error.code] ?? error.message;
  return new CliError("E_INPUT", `'${name}' cannot be read: ${why}.`);
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied; try with sudo",
  EPERM: "not permitted; try with sudo",
  EISDIR: "it is a directory; name its files",
  EIO: "the disk reports an error",
};

/** First bytes of files that hold a log but are no text, and what makes them one. */
const FORMS: readonly (readonly [string, string])[] = [
  ["LPKSHHRH", "it is a journal: journalctl --file FILE -o json | oomwitness explain"],
  ["\xfd7zXZ\0", "it is packed with xz: xz -dc FILE | oomwitness explain"],
  ["BZh", "it is packed with bzip2: bzip2 -dc FILE | oomwitness explain"],
  ["PK\x03\x04", "it is a zip archive: unzip -p FILE | oomwitness explain"],
];

/** Throws when a file begins as one that is no text. */
export function checkForm(name: string, start: Uint8Array): void {
  const head = String.fromCharCode(...start.subarray(0, 8));
  const [, advice] = FORMS.find(([magic]) => head.startsWith(magic)) ?? [];
  if (advice === undefined) return;
  throw new CliError("E_INPUT", `'${name}' is no text: ${advice.replace("FILE", name)}`);
}
