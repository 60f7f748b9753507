import { advice, finding, type Rule, told } from "../rule.ts";
import { bytesText, percentText } from "../words.ts";

/** Page cache that could not go: waiting to be written, locked, or mapped and in use. */
export const pageCache: Rule = {
  name: "page-cache",
  tell: ({ anatomy, sysrq }) => {
    if (anatomy === null || sysrq || anatomy.cacheBytes === null) return null;
    const { cacheBytes, dirtyBytes, totalBytes } = anatomy;
    if (cacheBytes < totalBytes * 0.25) return null;
    const share = percentText(cacheBytes, totalBytes);
    const dirty = dirtyBytes ?? 0;
    if (dirty > cacheBytes / 3) {
      return told(
        [
          finding(
            "likely",
            `${bytesText(cacheBytes)} (${share}) is page cache, and ${bytesText(dirty)} of it could not go: it waits to be written to disk.`,
            [`dirty and under write-back ${dirty} bytes`],
          ),
        ],
        [
          advice(
            "Write less at a time (fsync, O_DIRECT, smaller vm.dirty_bytes) or give it a faster disk.",
            "The kernel may drop clean pages at any time; dirty ones only after the disk took them.",
          ),
        ],
      );
    }
    return told([
      finding(
        "possible",
        `${bytesText(cacheBytes)} (${share}) is page cache that was not given up: in constant use (a program thrashing) or refilled faster than freed.`,
        [`clean page cache ${cacheBytes - dirty} bytes`],
      ),
    ]);
  },
};
