/**
 * `/proc/PID/mountinfo` (proc(5)). Linux 6.18, a hybrid machine:
 *
 *     31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
 *     35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
 *     41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,memory_localevents
 *
 * Space, tab, newline and backslash in paths are written as octal escapes (`\040`).
 */

export interface Mount {
  /** The directory of the file system that is mounted; not `/` for a bind mount or inside a cgroup namespace. */
  readonly root: string;
  readonly mountPoint: string;
  readonly fileSystem: string;
  /** Options of the file system itself (`rw`, `memory`, `memory_localevents`, …). */
  readonly superOptions: readonly string[];
}

/** Mounts in the order of the file; lines that are not understood are left out. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const mount = parseMountLine(line);
    if (mount !== null) mounts.push(mount);
  }
  return mounts;
}

function parseMountLine(line: string): Mount | null {
  const fields = line.split(" ");
  const separator = fields.indexOf("-", 6);
  const [root, mountPoint] = [fields[3], fields[4]];
  const [fileSystem, options] = [fields[separator + 1], fields[separator + 3]];
  if (separator < 0 || root === undefined || mountPoint === undefined) return null;
  if (fileSystem === undefined || options === undefined) return null;
  return {
    root: decodeOctal(root),
    mountPoint: decodeOctal(mountPoint),
    fileSystem,
    superOptions: options.split(","),
  };
}

function decodeOctal(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
