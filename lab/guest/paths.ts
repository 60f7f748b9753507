import { join } from "node:path";

/** Root of the repository. */
export const REPOSITORY = join(import.meta.dirname, "..", "..");
/** The laboratory's programs after `lab/compile`. */
export const PROGRAMS_DIRECTORY = join(REPOSITORY, "lab", "build");
/** What can be made again at any time: guest images, fetched kernels. Not in git. */
export const CACHE_DIRECTORY = join(REPOSITORY, "lab", "cache");
export const GUEST_DIRECTORY = import.meta.dirname;
