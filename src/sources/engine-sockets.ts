import type { Host } from "../host/host.ts";
import { socketOwner } from "./socket-owner.ts";
import type { SourceOptions } from "./source.ts";

/** Where the sockets of a kind of daemon usually are. */
export interface UsualPlaces {
  /** Absolute paths. */
  readonly system: readonly string[];
  /** Below `/run/user/UID` and `$XDG_RUNTIME_DIR`. */
  readonly perUser: readonly string[];
  /** Below the home directory. */
  readonly home: readonly string[];
  /** Other kinds of daemons: `podman-docker` makes Docker's path a link to Podman's. */
  readonly others: readonly string[];
}

/** A socket, and the ordinary user who decides what answers there; `null`: the machine's own. */
export interface FoundSocket {
  readonly path: string;
  readonly uid: number | null;
}

/** Rootless daemons looked at, one a user: the cursor, with one entry each, must stay below 4 KiB. */
const MAX_USERS = 30;

/**
 * Sockets that exist, the system's first, each once (`/var/run` is `/run`). Where the host's /proc is mounted elsewhere,
 * as in a container, the host's files are looked for beside it (`/host/proc`, so `/host/run/…`) and through its process 1.
 */
export function findSockets(
  host: Host,
  options: SourceOptions,
  places: UsualPlaces,
): FoundSocket[] {
  for (const prefix of hostRoots(options.procRoot)) {
    const found = new Map<number | string, FoundSocket>();
    const others = places.others.map((path) => look(host, prefix + path));
    const system = places.system.map((path) => prefix + path);
    const users = userPlaces(host, options, places, prefix).map((path) => prefix + path);
    for (const path of [...system, ...users]) {
      const seen = look(host, path);
      // What we may not even look at is there, as far as we know, when it is the system's.
      const key = seen === "forbidden" && system.includes(path) ? path : seen;
      if (key === null || key === "forbidden" || found.has(key)) continue;
      const socket = ownedSocket(host, prefix, path.slice(prefix.length));
      if (!others.includes(seen) && socket !== null) found.set(key, socket);
    }
    // The same file is seen through more than one root: the nearest will do.
    if (found.size > 0) return [...found.values()];
  }
  return [];
}

/** `null` where it cannot be said who decides what answers there. */
export function ownedSocket(host: Host, prefix: string, path: string): FoundSocket | null {
  const owner = socketOwner(host.files, prefix, path, host.uid);
  const user = /^\/run\/user\/(\d+)\//.exec(path)?.[1];
  if (owner.kind === "anybody") return null;
  const uid = owner.kind === "user" ? owner.uid : null;
  // A directory of one user that is another's is nobody's place for a daemon.
  if (user !== undefined && uid !== null && uid !== Number(user)) return null;
  return { path: prefix + path, uid };
}

/** The inode of what is there. */
function look(host: Host, path: string): number | "forbidden" | null {
  try {
    return host.files.inode(path);
  } catch {
    return "forbidden";
  }
}

/** Where the host's files may be seen, the nearest first. */
export function hostRoots(procRoot: string): string[] {
  if (procRoot === "/proc") return [""];
  const beside = procRoot.endsWith("/proc") ? [procRoot.slice(0, -"/proc".length)] : [];
  return ["", ...beside, `${procRoot}/1/root`];
}

function userPlaces(
  host: Host,
  { user }: SourceOptions,
  places: UsualPlaces,
  prefix: string,
): string[] {
  const runtimes = [user?.runtimeDirectory ?? null, ...userDirectories(host, prefix)];
  const homes = [user?.home ?? null];
  return [...below(runtimes, places.perUser), ...below(homes, places.home)];
}

function below(directories: readonly (string | null)[], names: readonly string[]): string[] {
  return directories.flatMap((directory) =>
    directory === null ? [] : names.map((name) => `${directory}/${name}`),
  );
}

function userDirectories(host: Host, prefix: string): string[] {
  try {
    const names = host.files.list(`${prefix}/run/user`).map(({ name }) => name);
    return names.slice(0, MAX_USERS).map((name) => `/run/user/${name}`);
  } catch {
    return [];
  }
}
