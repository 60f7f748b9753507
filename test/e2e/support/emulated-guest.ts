import { type GuestJob, type GuestResult, runInGuest } from "../../../lab/guest/guest.ts";
import { ATTEMPTS, EXIT_EMULATOR_FAULT } from "./emulated.ts";

/** A shell's exit codes for SIGILL, SIGTRAP, SIGBUS and SIGSEGV: Node and V8 end so of no script's doing. */
const FAULTS: ReadonlySet<number> = new Set([132, 133, 135, 139, EXIT_EMULATOR_FAULT]);

/** Runs the job in a guest; in a fresh one, saying so, when a fault of the emulated processor ended it. */
export async function runInEmulatedGuest(job: GuestJob): Promise<GuestResult> {
  for (let attempt = 1; ; attempt++) {
    const result = await runInGuest(job);
    if (!FAULTS.has(result.exitCode) || attempt === ATTEMPTS) return result;
    console.log(
      `  attempt ${attempt}: a fault of the emulated processor, once more\n${result.output}`,
    );
  }
}
