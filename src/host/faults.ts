import { AsyncLocalStorage } from "node:async_hooks";

/** Whoever answers for an error that nobody caught. */
export type FaultOwner = (error: unknown) => void;

/**
 * The net below everything (docs/decisions/0004-runtime-sockets.md): an error that nobody caught (thrown in a callback, rejected, or
 * emitted where nobody listens) belongs to whoever began the work it came from.
 */
export interface Faults {
  /** Runs `call`; what it and everything that comes of it leaves uncaught is told to `owner`, once `watch` was called. */
  within<T>(owner: FaultOwner, call: () => T): T;
  /** Runs `call` on nobody's account: what comes of it belongs to the program. */
  outside<T>(call: () => T): T;
  /** From now on no uncaught error ends the process: those without an owner are told to `program`. Returns how to stop it. */
  watch(program: FaultOwner): () => void;
}

export function createFaults(): Faults {
  const owners = new AsyncLocalStorage<FaultOwner>();
  return {
    within: (owner, call) => owners.run(owner, call),
    outside: (call) => owners.exit(call),
    watch: (program) => {
      const uncaught = (error: unknown) => (owners.getStore() ?? program)(error);
      process.on("uncaughtException", uncaught);
      process.on("unhandledRejection", uncaught);
      return () => {
        process.off("uncaughtException", uncaught);
        process.off("unhandledRejection", uncaught);
      };
    },
  };
}
