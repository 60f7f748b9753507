import type { Story } from "./story.ts";

/** A victim that holds less than this of the whole did not fill it. */
const LITTLE = 0.25;

/** The victim is not what filled memory: what would bound it helps nobody. */
export function isInnocent({ anatomy, row }: Story): boolean {
  return anatomy !== null && row !== null && row.rssBytes < anatomy.totalBytes * LITTLE;
}
