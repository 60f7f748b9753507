import { type Files, type Host, HostError } from "../host/host.ts";
import { type FoundSocket, hostRoots, ownedSocket } from "./engine-sockets.ts";

/** Where containerd listens: by itself, in k3s and RKE2 (and Rancher Desktop), k0s, MicroK8s, and as Docker's own. */
const CONTAINERD: readonly string[] = [
  "/run/containerd/containerd.sock",
  "/run/k3s/containerd/containerd.sock",
  "/run/k0s/containerd.sock",
  "/var/snap/microk8s/common/run/containerd.sock",
  "/run/docker/containerd/containerd.sock",
];

/** CRI-O, and the shim that speaks CRI for Docker. */
const CRI_ALONE: readonly string[] = ["/run/crio/crio.sock", "/run/cri-dockerd.sock"];

/** More than a handful of daemons on one machine is no machine we know. */
const SOCKETS_LIMIT = 8;

/** Sockets of containerd that are there; of `configured` alone when it is given. */
export function containerdSockets(
  host: Host,
  procRoot: string,
  configured: string | undefined,
): string[] {
  if (configured !== undefined) return distinct(host.files, [configured]);
  return nearest(host.files, procRoot, (root) => [
    ...CONTAINERD.map((path) => root + path),
    ...ownRootlessSockets(host, procRoot, root),
  ]);
}

/** The user who decides what answers at a socket that was named; `null`: the machine. */
export function userOf(host: Host, configured: string | undefined): number | null {
  if (configured === undefined) return null;
  const socket: FoundSocket | null = ownedSocket(host, "", configured);
  if (socket !== null) return socket.uid;
  throw new HostError("EPERM", configured, "is in a directory that others may write");
}

/** Sockets that may speak CRI: containerd's, but for Docker's own and rootless ones, CRI-O's and cri-dockerd's. */
export function criSockets(host: Host, procRoot: string, configured: string | undefined): string[] {
  if (configured !== undefined) return distinct(host.files, [configured]);
  const candidates = CONTAINERD.filter((path) => !path.includes("/docker/"));
  return nearest(host.files, procRoot, (root) =>
    [...CRI_ALONE, ...candidates].map((path) => root + path),
  );
}

/** What is there in the nearest place where the host's files are seen: the same file is seen through more than one. */
function nearest(files: Files, procRoot: string, places: (root: string) => string[]): string[] {
  for (const root of hostRoots(procRoot)) {
    const found = distinct(files, places(root));
    if (found.length > 0) return found;
  }
  return [];
}

/** The same socket is often there under two names. */
function distinct(files: Files, paths: readonly string[]): string[] {
  const found = new Map<number | string, string>();
  for (const path of paths) {
    const inode = inodeOf(files, path);
    if (inode !== null && !found.has(inode)) found.set(inode, path);
  }
  return [...found.values()].slice(0, SOCKETS_LIMIT);
}

/** What we may not even look at is there, as far as we know: asking it says that we may not. */
function inodeOf(files: Files, path: string): number | string | null {
  try {
    return files.inode(path);
  } catch {
    return path;
  }
}

/**
 * A rootless containerd listens at the usual place of its own mount namespace; rootlesskit writes the pid of a process in
 * it to `/run/user/UID/containerd-rootless/child_pid`. Only of the user we are ourselves: through another's namespace we would open
 * whatever that user put there.
 */
function ownRootlessSockets({ files, uid }: Host, procRoot: string, root: string): string[] {
  if (uid <= 0) return [];
  const text = files.tryReadText(`${root}/run/user/${uid}/containerd-rootless/child_pid`);
  const pid = /^(\d{1,7})\s*$/.exec(text ?? "")?.[1];
  if (pid === undefined || files.status(`${procRoot}/${pid}`)?.uid !== uid) return [];
  return [`${procRoot}/${pid}/root/run/containerd/containerd.sock`];
}
