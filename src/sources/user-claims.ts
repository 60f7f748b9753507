import type { ContainerObservation, RuntimeObservation } from "../model/container.ts";
import { isOfKernel, type SourceContext, type SourceObservation } from "./source.ts";

/** Containers of one user's daemon that are told of; a user may start as many daemons and containers as he likes. */
export const USER_CONTAINERS_LIMIT = 256;

/**
 * What an ordinary user's daemon says, as far as it can be believed: of containers whose main process is, by the kernel's word, in a
 * cgroup of their own below that user's slice. All else it might say of anybody.
 */
export class UserClaims {
  readonly #uid: number;
  readonly #lost: (count: number, what: string) => void;
  readonly #own = new Set<string>();
  readonly #strange = new Set<string>();

  constructor(uid: number, lost: (count: number, what: string) => void) {
    this.#uid = uid;
    this.#lost = lost;
  }

  /** Containers that were shown to be this user's. */
  get ids(): string[] {
    return [...this.#own];
  }

  believed(observations: readonly RuntimeObservation[]): RuntimeObservation[] {
    return observations.flatMap((said) => this.#believe(said) ?? []);
  }

  #believe(said: RuntimeObservation): RuntimeObservation | null {
    const owner = this.#uid;
    if (said.kind === "list") {
      return { ...said, owner, containerIds: said.containerIds.filter((id) => this.#own.has(id)) };
    }
    if (said.kind === "container") return this.#container(said);
    if (!this.#own.has(said.containerId)) return null;
    if (said.kind === "gone") this.#own.delete(said.containerId);
    return { ...said, owner };
  }

  #container(said: ContainerObservation): ContainerObservation | null {
    const { id, cgroupPath, mainPid } = said.container;
    if (cgroupPath !== null && !this.#isShown(id, cgroupPath)) return this.#refuse(id, cgroupPath);
    if (cgroupPath !== null) this.#add(id);
    if (!this.#own.has(id)) return null;
    const container = { ...said.container, mainPid: cgroupPath === null ? null : mainPid };
    return { ...said, owner: this.#uid, container };
  }

  #isShown(id: string, path: string): boolean {
    return path.startsWith(userSlice(this.#uid)) && path.includes(id);
  }

  #add(id: string): void {
    if (this.#own.size < USER_CONTAINERS_LIMIT) this.#own.add(id);
  }

  #refuse(id: string, path: string): null {
    if (this.#strange.has(id) || this.#strange.size >= USER_CONTAINERS_LIMIT) return null;
    this.#strange.add(id);
    const container = `container ${id.slice(0, 12)}`;
    this.#lost(
      1,
      `user ${this.#uid} claims ${container}, whose process is in ${path.slice(0, 200)}`,
    );
    return null;
  }
}

/** The same context for a source that follows only the daemon of this user; unchanged when it is the machine's. */
export function contextFor(context: SourceContext, uid: number | null): SourceContext {
  if (uid === null) return context;
  const claims = new UserClaims(uid, context.lost);
  const emit: SourceContext["emit"] = (observations) => {
    const believed = claims.believed(observations.filter(isOfRuntime));
    if (believed.length > 0) context.emit(believed);
  };
  return { ...context, emit };
}

function isOfRuntime(said: SourceObservation): said is RuntimeObservation {
  return !isOfKernel(said) && said.kind !== "report";
}

/** Where systemd puts all that a user started (systemd.special(7)), rootless containers too. */
function userSlice(uid: number): string {
  return `/user.slice/user-${uid}.slice/`;
}
