import type { Files, Host } from "../host/host.ts";

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
  return distinct(host.files, [...CONTAINERD, ...rootlessSockets(host, procRoot)]);
}

/** Sockets that may speak CRI: containerd's, but for Docker's own and rootless ones, CRI-O's and cri-dockerd's. */
export function criSockets(host: Host, configured: string | undefined): string[] {
  if (configured !== undefined) return distinct(host.files, [configured]);
  const candidates = CONTAINERD.filter((path) => !path.includes("/docker/"));
  return distinct(host.files, [...CRI_ALONE, ...candidates]);
}

/** The same socket is often there under two names. */
function distinct(files: Files, paths: readonly string[]): string[] {
  const found = new Map<number, string>();
  for (const path of paths) {
    const inode = files.inode(path);
    if (inode !== null && !found.has(inode)) found.set(inode, path);
  }
  return [...found.values()].slice(0, SOCKETS_LIMIT);
}

/**
 * A rootless containerd listens at the usual place of its own mount namespace; rootlesskit writes the pid of a process in
 * it to `/run/user/UID/containerd-rootless/child_pid`.
 */
function rootlessSockets({ files }: Host, procRoot: string): string[] {
  return usersIn(files).flatMap((user) => {
    const text = files.tryReadText(`/run/user/${user}/containerd-rootless/child_pid`);
    const pid = /^(\d{1,7})\s*$/.exec(text ?? "")?.[1];
    return pid === undefined ? [] : [`${procRoot}/${pid}/root/run/containerd/containerd.sock`];
  });
}

function usersIn(files: Files): string[] {
  try {
    const names = files.list("/run/user").map(({ name }) => name);
    return names.filter((name) => /^\d{1,10}$/.test(name)).slice(0, 100);
  } catch {
    return [];
  }
}
