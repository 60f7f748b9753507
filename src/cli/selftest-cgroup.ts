import type { Host } from "../host/host.ts";
import { type Mount, parseMountInfo } from "../parse/mountinfo.ts";
import type { SourceOptions } from "../sources/source.ts";
import { CliError, messageOf } from "./errors.ts";

/** The limit of the cgroup in which the test kill is made. */
export const SELFTEST_LIMIT_BYTES = 15 * 2 ** 20;

/** A cgroup that is ours alone, with a limit. */
export interface TestCgroup {
  readonly directory: string;
  readonly version: 1 | 2;
  /** Fails while a process is still in it. */
  remove(): void;
}

interface Place {
  readonly directory: string;
  readonly version: 1 | 2;
}

/** Makes the cgroup at the root of the memory hierarchy, else beside or above our own where that is delegated to us. */
export function createTestCgroup(host: Host, options: SourceOptions, name: string): TestCgroup {
  let why = "no cgroup hierarchy with the memory controller is mounted";
  for (const place of places(host, options)) {
    try {
      return createIn(host, place, name);
    } catch (error) {
      why = messageOf(error);
    }
  }
  const advice = "run it as root, or in a cgroup delegated to you (systemd-run --user --scope).";
  throw new CliError("E_SELFTEST", `no cgroup can be made here (${why}): ${advice}`);
}

function createIn(host: Host, place: Place, name: string): TestCgroup {
  const { files } = host;
  const directory = `${place.directory}/${name}`;
  files.makeDirectory(directory, false);
  try {
    const limit = place.version === 1 ? "memory.limit_in_bytes" : "memory.max";
    files.writeText(`${directory}/${limit}`, String(SELFTEST_LIMIT_BYTES));
    noSwap(host, directory, place.version);
    return { directory, version: place.version, remove: () => files.removeDirectory(directory) };
  } catch (error) {
    files.removeDirectory(directory);
    throw error;
  }
}

/** Swap would only delay the kill; kernels without swap accounting lack the file. */
function noSwap(host: Host, directory: string, version: 1 | 2): void {
  const [file, value] =
    version === 1
      ? ["memory.memsw.limit_in_bytes", String(SELFTEST_LIMIT_BYTES)]
      : ["memory.swap.max", "0"];
  if (host.files.exists(`${directory}/${file}`))
    host.files.writeText(`${directory}/${file}`, value);
}

/** Directories in which to try, best first. */
function places(host: Host, options: SourceOptions): readonly Place[] {
  const mount = memoryMount(host, options);
  if (mount === null) return [];
  const own = ownPath(host, mount.version);
  const above = own
    .split("/")
    .map((_, index, parts) => parts.slice(0, parts.length - index).join("/"));
  const nearest = [...new Set(above)].map((path) => `${mount.directory}${path}`);
  const ordered = host.uid === 0 ? nearest.toReversed() : nearest;
  return ordered.map((directory) => ({ directory, version: mount.version }));
}

function memoryMount(host: Host, options: SourceOptions): Place | null {
  const mounts = parseMountInfo(host.files.tryReadText(`${options.procRoot}/self/mountinfo`) ?? "");
  const old = mounts.find(isMemoryV1);
  if (old !== undefined) return { directory: old.mountPoint, version: 1 };
  const unified = mounts.find((mount) => mount.fileSystem === "cgroup2");
  return unified === undefined ? null : { directory: unified.mountPoint, version: 2 };
}

function isMemoryV1(mount: Mount): boolean {
  return mount.fileSystem === "cgroup" && mount.superOptions.includes("memory");
}

/** Our own path in the hierarchy: `3:memory:/user.slice` or `0::/user.slice/…`. */
function ownPath(host: Host, version: 1 | 2): string {
  const text = host.files.tryReadText("/proc/self/cgroup") ?? "";
  for (const line of text.split("\n")) {
    const [, controllers = "", ...path] = line.split(":");
    const ours = version === 2 ? controllers === "" : controllers.split(",").includes("memory");
    if (ours && path.length > 0) return path.join(":").replace(/\/$/, "");
  }
  return "";
}
