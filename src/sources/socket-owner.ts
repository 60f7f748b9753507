import type { Files } from "../host/host.ts";

/**
 * Who decides what is at a path: the machine (root, or the user we are ourselves), one ordinary user, or nobody one could name (a
 * directory that everybody may write, or one of two users).
 */
export type SocketOwner =
  | { readonly kind: "machine" }
  | { readonly kind: "user"; readonly uid: number }
  | { readonly kind: "anybody" };

const MACHINE: SocketOwner = { kind: "machine" };
const ANYBODY: SocketOwner = { kind: "anybody" };
/** As the kernel (MAXSYMLINKS). */
const LINKS_LIMIT = 40;
const STICKY = 0o1000;
const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;

/**
 * Walks to `path` from `root` (a mount of the host's files, "" for our own) and looks at who owns each step: whoever owns a directory,
 * a link or the socket itself may put another daemon in its place. What cannot be looked at is the machine's: it refuses us anyway.
 */
export function socketOwner(files: Files, root: string, path: string, self: number): SocketOwner {
  const walk = new Walk(files, root, self);
  try {
    return walk.to(path);
  } catch {
    return walk.owner;
  }
}

class Walk {
  readonly #files: Files;
  readonly #root: string;
  readonly #self: number;
  readonly #owners = new Set<number>();
  #isOpenToAll = false;

  constructor(files: Files, root: string, self: number) {
    this.#files = files;
    this.#root = root;
    this.#self = self;
  }

  get owner(): SocketOwner {
    const [uid, ...others] = this.#owners;
    if (this.#isOpenToAll || others.length > 0) return ANYBODY;
    return uid === undefined ? MACHINE : { kind: "user", uid };
  }

  to(path: string): SocketOwner {
    const steps = stepsOf(path);
    let at: string[] = [];
    for (let links = 0; steps.length > 0; ) {
      const step = steps.shift() ?? "";
      if (step === "..") {
        at.pop();
        continue;
      }
      const next = [...at, step];
      if (this.#look(`${this.#root}/${next.join("/")}`) !== "link") {
        at = next;
        continue;
      }
      if (++links > LINKS_LIMIT) return ANYBODY;
      const target = this.#files.readLink(`${this.#root}/${next.join("/")}`);
      if (target.startsWith("/")) at = [];
      steps.unshift(...stepsOf(target));
    }
    return this.owner;
  }

  #look(path: string): "directory" | "link" | "other" {
    const status = this.#files.status(path);
    if (status === null) return "other";
    const { uid, gid, kind, mode } = status;
    if (uid !== 0 && uid !== this.#self) this.#owners.add(uid);
    const isWritten = (mode & OTHERS_WRITE) !== 0 || ((mode & GROUP_WRITES) !== 0 && gid !== 0);
    if (kind === "directory" && isWritten && (mode & STICKY) === 0) this.#isOpenToAll = true;
    return kind;
  }
}

function stepsOf(path: string): string[] {
  return path.split("/").filter((step) => step !== "" && step !== ".");
}
