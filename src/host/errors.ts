import { HostError } from "./host.ts";

/** Turns whatever a Node call threw into a `HostError` with the kernel's own code. */
export function toHostError(error: unknown, path: string): HostError {
  if (error instanceof HostError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new HostError(codeOf(error), path, message);
}

/** `ENOENT`, `EACCES`, … or `EUNKNOWN` when the error did not come from the kernel. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    return error.code;
  }
  return "EUNKNOWN";
}

/** Runs `call`; what it throws leaves as a `HostError` about `path`. */
export function wrapped<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toHostError(error, path);
  }
}
