/** What must hold whatever the input: a failure is a bug in this program, not bad data. */
export class AssertionFailure extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`);
    this.name = "AssertionFailure";
  }
}

/** Throws unless `condition` holds; `message` states what must hold, in words. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** The default branch of an exhaustive switch: a missing case does not compile, a forged value fails here. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable value ${describe(value)}`);
}

function describe(value: unknown): string {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
