import type { Files } from "../host/host.ts";
import { type Mount, parseMountInfo } from "../parse/mountinfo.ts";
import type { SourceOptions } from "./source.ts";

/** Where the memory controller is. */
export interface MemoryHierarchy {
  readonly version: 1 | 2;
  /** Directory of the topmost cgroup that can be seen. */
  readonly directory: string;
  /** Path of that cgroup below the hierarchy's root; "" when it is the root itself. */
  readonly prefix: string;
  /** Whether memory.events counts descendants too: Linux 5.2+, unless mounted with memory_localevents. */
  readonly hierarchicalEvents: boolean;
}

/** A hierarchy with the memory controller, v1 before v2: on a hybrid machine only the v1 one has it. */
export function findMemoryHierarchy(files: Files, options: SourceOptions): MemoryHierarchy | null {
  const mounts = cgroupMounts(files, options);
  for (const mount of mounts) {
    if (mount.fileSystem !== "cgroup" || !mount.superOptions.includes("memory")) continue;
    return { ...place(mount), version: 1, hierarchicalEvents: false };
  }
  for (const mount of mounts) {
    if (mount.fileSystem !== "cgroup2" || !hasMemory(files, mount.mountPoint)) continue;
    return {
      ...place(mount),
      version: 2,
      hierarchicalEvents: isHierarchical(files, options, mount),
    };
  }
  return null;
}

/** Mounts below `sysRoot` first: in a container the host's hierarchy is mounted beside our own. */
function cgroupMounts(files: Files, options: SourceOptions): Mount[] {
  const text = files.tryReadText(`${options.procRoot}/self/mountinfo`) ?? "";
  const below = (mount: Mount) => mount.mountPoint.startsWith(`${options.sysRoot}/`);
  const mounts = parseMountInfo(text).filter((mount) => mount.fileSystem.startsWith("cgroup"));
  return [...mounts.filter(below), ...mounts.filter((mount) => !below(mount))].filter((mount) =>
    files.exists(mount.mountPoint),
  );
}

function place(mount: Mount): { directory: string; prefix: string } {
  // `/..` in the root: the mount belongs to a cgroup above our namespace, whose true path cannot be known from here.
  const prefix = mount.root === "/" || mount.root.startsWith("/..") ? "" : mount.root;
  return { directory: mount.mountPoint, prefix };
}

function hasMemory(files: Files, directory: string): boolean {
  const controllers = files.tryReadText(`${directory}/cgroup.controllers`) ?? "";
  return controllers.trim().split(" ").includes("memory");
}

/** The kernel lists the mount options it knows; the option to switch hierarchical events off came with them in 5.2. */
function isHierarchical(files: Files, options: SourceOptions, mount: Mount): boolean {
  if (mount.superOptions.includes("memory_localevents")) return false;
  const features = files.tryReadText(`${options.sysRoot}/kernel/cgroup/features`) ?? "";
  return features.split("\n").includes("memory_localevents");
}
