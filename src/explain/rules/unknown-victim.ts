import { finding, type Rule, told } from "../rule.ts";
import { processText } from "../words.ts";

/** The report is there and the kill is not: the text ends early, or its line was lost. */
export const unknownVictim: Rule = {
  name: "unknown-victim",
  tell: ({ outcome, victim, report, trigger, sysrq }) => {
    if (outcome === "none-killable" || outcome === "panic" || victim !== null) return null;
    if (report === null) {
      return told([
        finding("certain", "The kernel counted a kill here and nobody saw the victim.", [
          "a counter of the kernel grew; no log line and no trace event tells of it",
        ]),
      ]);
    }
    const who = trigger === null ? "A process" : processText(trigger.comm, trigger.pid);
    // rules/sysrq.ts says that memory had not run out.
    const what = sysrq ? "The OOM killer ran" : `${who} ran out of memory`;
    return told([
      finding("certain", `${what}; this text does not say who was killed.`, [
        `lines ${report.lines.first}-${report.lines.last} have no 'Killed process'`,
      ]),
    ]);
  },
};
