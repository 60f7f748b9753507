import { mask } from "./mask.ts";

/** A source file of this repository; `path` from the root with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A broken house rule, with what to do instead. */
export interface Complaint {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** Which folders of src a folder may import. `types` are folders of which only types may be imported. */
interface Allowed {
  readonly from: readonly string[];
  readonly types?: readonly string[];
}

const CORE = ["model", "std"];

/** The house: an arrow missing here is a decision (ARCHITECTURE.md). Tests are free. */
export const MATRIX: Readonly<Record<string, Allowed>> = {
  std: { from: [] },
  model: { from: ["std"] },
  parse: { from: CORE },
  ledger: { from: CORE },
  identify: { from: CORE },
  explain: { from: CORE, types: ["forecast"] },
  forecast: { from: CORE },
  host: { from: ["std"] },
  sources: { from: [...CORE, "parse", "host"] },
  sinks: { from: [...CORE, "explain", "host"] },
  agent: {
    from: [
      ...CORE,
      "parse",
      "ledger",
      "identify",
      "explain",
      "forecast",
      "host",
      "sources",
      "sinks",
    ],
  },
  // host: main.ts opens the door and hands it on. sinks: the terminal, and the store that `list` and `show` read.
  cli: { from: [...CORE, "agent", "explain", "parse", "host", "sinks"], types: ["sources"] },
};

export const PURE_FOLDERS = ["model", "parse", "ledger", "identify", "explain", "forecast"];

interface Word {
  readonly pattern: RegExp;
  readonly what: string;
}

/** What a pure folder may not mention: each would let the core wait, fail, or know the time. */
const IMPURE: readonly Word[] = [
  { pattern: /(?<![.\w#])process\s*[.[]/g, what: "process" },
  { pattern: /(?<![.\w#])Date\b(?!\s*:)/g, what: "Date" },
  { pattern: /(?<![.\w#])performance\s*\./g, what: "performance" },
  { pattern: /\bMath\.random\b/g, what: "Math.random" },
  {
    pattern: /(?<![.\w#])(?:setTimeout|setInterval|setImmediate|queueMicrotask)\b/g,
    what: "timers",
  },
  { pattern: /(?<![.\w#])fetch\s*\(/g, what: "fetch" },
  {
    pattern: /(?<![.\w#])(?:async\s*(?:function|\(|\w+\s*[(=])|await\b|Promise\b)/g,
    what: "async",
  },
  {
    pattern: /(?<![.\w#])(?:console|globalThis|Buffer|crypto)\s*\./g,
    what: "globals of the runtime",
  },
];

/** What only src/host may mention: the door of the program. */
const DOORS: readonly Word[] = [
  { pattern: /\bDate\.now\b|\bnew Date\(\s*\)/g, what: "the time of day" },
  { pattern: /(?<![.\w#])performance\s*\.|\bprocess\.hrtime\b/g, what: "a running clock" },
  { pattern: /(?<![.\w#])(?:setTimeout|setInterval)\b/g, what: "timers" },
  { pattern: /\bMath\.random\b/g, what: "Math.random" },
  { pattern: /(?<![.\w#])fetch\s*\(/g, what: "fetch" },
];

/** Modules of Node that open something or tell the time. */
const DOOR_MODULES =
  /^(?:node:)?(?:fs|net|http|https|http2|dgram|tls|dns|child_process|cluster|worker_threads|timers|perf_hooks|os|sqlite|inspector|repl)(?:\/|$)/;

/** Packages, and the folders of src that may use them; every other package is for tools and tests. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  commander: ["cli"],
  "@bufbuild/protobuf": ["host"],
  zod: ["model", "agent", "cli", "sinks"],
};

const LARGEST_FILE_LINES = 400;

interface Import {
  readonly specifier: string;
  readonly line: number;
  readonly typeOnly: boolean;
}

/** `import … from "x"`, `export … from "x"`, `import "x"` and `import("x")`. */
export function importsOf(text: string): Import[] {
  const code = mask(text, { comments: true, strings: true });
  const found: Import[] = [];
  for (const match of code.matchAll(/\b(from|import)\s*\(?\s*(["'])( *)\2/g)) {
    const end = match.index + match[0].length - 1;
    const specifier = text.slice(end - (match[3] ?? "").length, end);
    found.push({
      specifier,
      line: lineOf(text, match.index),
      typeOnly: isTypeOnly(code, match.index),
    });
  }
  return found;
}

/** Whether the statement around `at` begins with `import type` or `export type`, or is a type `import("…")`. */
function isTypeOnly(code: string, at: number): boolean {
  const start = code.slice(0, at).search(/\b(?:import|export)\b(?![\s\S]*\b(?:import|export)\b)/);
  return start !== -1 && /^(?:import|export)\s+type\b/.test(code.slice(start));
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}

/** `src/parse/x.ts` → `parse`; a file directly in src → "" ; not in src → null. */
function folderOf(path: string): string | null {
  const parts = path.split("/");
  if (parts[0] !== "src") return null;
  return parts.length > 2 ? (parts[1] ?? "") : "";
}

/** Where a relative import leads, from the root of the repository. */
function resolve(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Imports that the matrix does not allow, packages in the wrong place, doors outside the host. */
export function importComplaints(file: SourceFile): Complaint[] {
  const folder = folderOf(file.path);
  if (folder === null || isTest(file.path)) return [];
  return importsOf(file.text).flatMap((found) => {
    const message = found.specifier.startsWith(".")
      ? relativeComplaint(folder, resolve(file.path, found.specifier), found.typeOnly)
      : moduleComplaint(folder, found.specifier);
    return message === null ? [] : [{ rule: "import", path: file.path, line: found.line, message }];
  });
}

function relativeComplaint(folder: string, target: string, typeOnly: boolean): string | null {
  const to = folderOf(target);
  if (target === "package.json" && folder === "cli") return null;
  if (/\/testing(?:\/|\.ts$)/.test(target)) return `${target} is for tests, this is the program`;
  if (to === null) return `src does not import ${target}: what the program needs lives in src`;
  if (folder === "" || to === folder) return null;
  if (to === "") return "nobody inside imports src/index.ts: import the file that has it";
  const allowed = MATRIX[folder];
  if (allowed === undefined)
    return `src/${folder} is not in the matrix of test/tidy/rules.ts: add it`;
  if (allowed.from.includes(to) || (typeOnly && allowed.types?.includes(to))) return null;
  const may = allowed.from.length === 0 ? "nothing" : allowed.from.join(", ");
  return (
    `${folder} may not import ${to} (it may import ${may}): move what both need to model or std, ` +
    "or hand it in as an argument from agent"
  );
}

function moduleComplaint(folder: string, specifier: string): string | null {
  if (specifier.startsWith("node:") && PURE_FOLDERS.includes(folder)) {
    return `${folder} is pure and may not use ${specifier}: take what it gives as an argument`;
  }
  if (DOOR_MODULES.test(specifier) && folder !== "host") {
    return `only src/host may use ${specifier}: add what you need to the Host interface`;
  }
  if (specifier.startsWith("node:")) return null;
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  if (PACKAGES[name]?.includes(folder)) return null;
  return `src/${folder} may not use the package ${name}: see PACKAGES in test/tidy/rules.ts and docs/decisions/0001-dependencies.md`;
}

/** Words that let a pure folder wait, fail or know the time, and doors outside the host. */
export function wordComplaints(file: SourceFile): Complaint[] {
  const folder = folderOf(file.path);
  if (folder === null || isTest(file.path) || folder === "host") return [];
  const code = mask(file.text, { comments: true, strings: true });
  return PURE_FOLDERS.includes(folder)
    ? matches(file, code, "pure", IMPURE, (what) => {
        return `${folder} is pure and may not mention ${what}: take times and facts as arguments`;
      })
    : matches(file, code, "door", DOORS, (what) => {
        return `only src/host may use ${what}: take the Clock or Host as an argument`;
      });
}

function matches(
  file: SourceFile,
  code: string,
  rule: string,
  words: readonly Word[],
  message: (what: string) => string,
): Complaint[] {
  return words.flatMap(({ pattern, what }) =>
    [...code.matchAll(pattern)].map(({ index }) => {
      return { rule, path: file.path, line: lineOf(code, index), message: message(what) };
    }),
  );
}

/**
 * Files over the limit. `known` names those that were too long when the rule came, with their length then: they may
 * only shrink, and leave the list when they fit.
 */
export function lengthComplaints(
  file: SourceFile,
  known: Readonly<Record<string, number>>,
): Complaint[] {
  const count = file.text.split("\n").length - 1;
  const limit = known[file.path] ?? LARGEST_FILE_LINES;
  const complain = (message: string) => [{ rule: "length", path: file.path, line: count, message }];
  if (count > limit) {
    return complain(`${count} lines, at most ${limit}: split it by what its parts are about`);
  }
  if (known[file.path] !== undefined && count < limit) {
    return complain(
      `shrank to ${count} lines, thank you: say so in KNOWN_LONG (test/tidy.test.ts)`,
    );
  }
  return [];
}

/** Paths of somebody's machine: they mean nothing to the next reader. */
export function machinePathComplaints(file: SourceFile): Complaint[] {
  const pattern = /(?<![\w.\-/}*])\/(?:work|home\/[a-z]\w*|Users\/\w+|root\/\w+|workspace)\/[\w.]/g;
  return [...file.text.matchAll(pattern)].map((match) => ({
    rule: "machine-path",
    path: file.path,
    line: lineOf(file.text, match.index),
    message: `"${match[0]}…" is a path of one machine: name it from the root of the repository`,
  }));
}

/** `testing.ts` and `testing/` hold what several tests of a folder share. */
function isTest(path: string): boolean {
  return /\.test\.ts$|\/testing\.ts$|\/(?:testing|fixtures)\//.test(path);
}
