import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CACHE_DIRECTORY, GUEST_DIRECTORY } from "./paths.ts";

/** Debian releases whose systemd, containerd and runc a guest can run; each disk is made by `lab/guest/make-systemd`. */
export const SYSTEMD_SUITES = ["bookworm", "trixie", "sid"] as const;
export type SystemdSuite = (typeof SYSTEMD_SUITES)[number];

const MAKE = join(GUEST_DIRECTORY, "make-systemd");
/** Made in 15 s where Debian's mirror is near. */
const PATIENCE_MILLISECONDS = 240_000;

/** The disk of a Debian with systemd; `null` when it was not made yet, or by another version of the script. */
export function findSystemdDisk(suite: SystemdSuite): string | null {
  const madeBy = createHash("sha256").update(readFileSync(MAKE)).digest("hex").slice(0, 8);
  const path = join(CACHE_DIRECTORY, `systemd-${suite}-${madeBy}.ext4`);
  return existsSync(path) ? path : null;
}

/** The disk, made now if need be; `null` with the reason told when it cannot be. */
export function makeSystemdDisk(
  suite: SystemdSuite,
  tell: (reason: string) => void,
): string | null {
  const found = findSystemdDisk(suite);
  if (found !== null) return found;
  try {
    execFileSync("nice", ["-n", "10", MAKE, suite], {
      stdio: ["ignore", "inherit", "pipe"],
      timeout: PATIENCE_MILLISECONDS,
    });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const last = said.split("\n").filter(Boolean).slice(-3).join("; ");
    tell(`no Debian ${suite} with systemd (lab/guest/make-systemd ${suite}): ${last}`);
  }
  return findSystemdDisk(suite);
}
