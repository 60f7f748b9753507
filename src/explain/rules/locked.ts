import { advice, finding, type Rule, told } from "../rule.ts";
import { bytesText, percentText } from "../words.ts";

/** Memory that was locked (mlock, ramfs, VFIO): neither dropped nor swapped. */
export const locked: Rule = {
  name: "locked",
  tell: ({ anatomy, sysrq }) => {
    if (anatomy === null || sysrq || anatomy.unevictableBytes === null) return null;
    const { unevictableBytes, totalBytes } = anatomy;
    if (unevictableBytes < totalBytes * 0.15) return null;
    return told(
      [
        finding(
          "certain",
          `${bytesText(unevictableBytes)} (${percentText(unevictableBytes, totalBytes)}) is locked in memory: it can neither be swapped nor dropped.`,
          [`unevictable ${unevictableBytes} bytes`],
        ),
      ],
      [
        advice(
          "Look for mlock (bootstrap.memory_lock, --lock-memory), ramfs or device pass-through, and lock less.",
          "Locked memory counts in full and leaves reclaim nothing to work with.",
        ),
      ],
    );
  },
};
