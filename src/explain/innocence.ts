import type { Story } from "./story.ts";

/** A process that holds less than this part of the whole did not fill it. */
export const LITTLE = 0.25;

/** The victim is not what filled memory: what would bound it helps nobody. */
export function isInnocent({ anatomy, row }: Story): boolean {
  return anatomy !== null && row !== null && row.rssBytes < anatomy.totalBytes * LITTLE;
}
