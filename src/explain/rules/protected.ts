import { advice, finding, type Rule, told } from "../rule.ts";
import { bytesText, countText, percentText, processText } from "../words.ts";

const MIB = 1024 * 1024;
/** Below this a process is practically never chosen. */
const PROTECTED = -900;

/** Processes that the kernel must not or hardly may choose, when they are what fills memory. */
export const protectedProcesses: Rule = {
  name: "protected",
  tell: ({ tasks, row, sysrq, anatomy }) => {
    const safe = tasks.filter((task) => (task.oomScoreAdj ?? 0) <= PROTECTED);
    const largest = safe.toSorted((a, b) => b.rssBytes - a.rssBytes)[0];
    if (largest === undefined || sysrq) return null;
    // A whole pod of class Guaranteed has one value: that protects none of it from the others.
    if ((row?.oomScoreAdj ?? 0) <= PROTECTED) return null;
    const held = safe.reduce((sum, task) => sum + task.rssBytes, 0);
    const bigger = row !== null && largest.rssBytes > row.rssBytes;
    if (held < 16 * MIB || (!bigger && row !== null && held < row.rssBytes / 2)) return null;
    const share = anatomy?.of === "node" ? anatomy.totalBytes : null;
    const size = `${bytesText(largest.rssBytes)}${share === null ? "" : `, ${percentText(largest.rssBytes, share)} of the machine`}`;
    const verb = safe.length === 1 ? "holds" : "hold";
    const who = processText(largest.comm, largest.pid);
    const most = safe.length === 1 ? `${who} (${size})` : `most of it ${who} (${size})`;
    return told(
      [
        finding(
          "certain",
          `${countText(safe.length, "process", "processes")} protected by oom_score_adj ${verb}${bigger ? " more than the victim" : " memory too"}: ${bytesText(held)}, ${most}.`,
          [`${who} oom_score_adj ${largest.oomScoreAdj ?? 0}`],
        ),
      ],
      [
        bigger
          ? advice(
              `Bound ${who} itself (a memory limit, its own settings) instead of protecting it without a bound.`,
              "Whoever is protected is not killed however much it grows: all others die for it, one after another.",
            )
          : null,
      ],
    );
  },
};
