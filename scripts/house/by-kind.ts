/** Complaints of each kind that are kept in full. */
const KEPT = 10;

/** Complaints, counted by kind; of each kind some are kept: a hundred of one kind would hide the others. */
export class ByKind {
  readonly #kinds = new Map<string, { count: number; readonly kept: string[] }>();

  add(kind: string, what: string): void {
    const known = this.#kinds.get(kind) ?? { count: 0, kept: [] };
    this.#kinds.set(kind, known);
    known.count++;
    if (known.kept.length < KEPT) known.kept.push(what);
  }

  lines(): string[] {
    const kinds = [...this.#kinds].sort(([, one], [, other]) => other.count - one.count);
    return kinds.flatMap(([kind, { count, kept }]) => [`${count} × ${kind}`, ...kept]);
  }
}
