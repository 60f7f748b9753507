import type { Kill } from "./kill.ts";

/** The recent kills at and below each cgroup: a book looks at its own instead of at all. */
export class KillsByPath {
  readonly #below = new Map<string, Set<Kill>>();
  readonly #all = new Set<Kill>();

  add(kill: Kill): void {
    if (kill.cgroup === null) return;
    this.#all.add(kill);
    for (const path of pathAndAncestors(kill.cgroup.path)) {
      const kills = this.#below.get(path);
      if (kills === undefined) this.#below.set(path, new Set([kill]));
      else kills.add(kill);
    }
  }

  delete(kill: Kill): void {
    if (kill.cgroup === null) return;
    this.#all.delete(kill);
    for (const path of pathAndAncestors(kill.cgroup.path)) {
      const kills = this.#below.get(path);
      kills?.delete(kill);
      if (kills?.size === 0) this.#below.delete(path);
    }
  }

  /** In no order that means anything. */
  below(path: string): Iterable<Kill> {
    return path === "/" ? this.#all : (this.#below.get(path) ?? []);
  }
}

/** `/a/b/c` → `/a/b/c`, `/a/b`, `/a`. The root has no book on v2 and is given as itself. */
export function pathAndAncestors(path: string): string[] {
  const paths = [path];
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
    paths.push(path.slice(0, end));
  }
  return paths;
}
