import type { Outcome } from "../../model/record.ts";
import type { OomReport } from "../../model/report.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import { countText } from "../words.ts";

/** What a text without the line of the kill has instead. */
const ONLY: Partial<Record<Outcome, string>> = {
  reaped: "Of this kill the text has only the line of the OOM reaper: what ran out is not in it",
  selected: "The text names whom the kernel selected; the line of the kill itself is missing",
  summary: "The text has the kernel's summary of the kill; the line of the kill itself is missing",
};

const BARE =
  "The text has only the line of the kill, without the kernel's report: why it happened is not in it";

const ENDED =
  "Of the kernel's report the text has only the end: what memory was filled with, and who asked, is not in it";

/** The summary, or what only it can tell, stands before the line of the kill. */
function hasSummary({ printedConstraint, limitCgroup, groupCgroup, kills }: OomReport): boolean {
  const named = limitCgroup !== null || groupCgroup !== null;
  return printedConstraint !== null || named || kills.some((kill) => kill.cgroupPath !== null);
}

function isBare({ kills, trigger, tasks, memory, node, cgroupStats }: OomReport): boolean {
  const figures = tasks.length > 0 || memory !== null || node !== null || cgroupStats.length > 0;
  return kills.some(({ outcome }) => outcome === "killed") && trigger === null && !figures;
}

/** What the kernel or the text kept from us, so that silence is not taken for absence. */
export const lostEvidence: Rule = {
  name: "lost-evidence",
  tell: ({ report, record, kill, outcome }) => {
    if (report === null) {
      if (record === null || record.outcome !== "killed") return null;
      return told([
        finding(
          "likely",
          "The kernel printed no report for this kill: it prints ten in five seconds for the whole machine, or its log was not readable.",
          ["no report between 'invoked oom-killer' and 'Killed process'"],
        ),
      ]);
    }
    const suppressed = report.suppressedBefore ?? 0;
    const bare = hasSummary(report) ? ENDED : BARE;
    const only = isBare(report) ? bare : ONLY[outcome];
    if (suppressed === 0 && report.problems.length === 0 && only === undefined) return null;
    return told(
      [
        only === undefined ? null : finding("certain", `${only}.`, [`line ${kill?.line ?? "?"}`]),
        suppressed === 0
          ? null
          : finding(
              "certain",
              `${countText(suppressed, "message")} of earlier runs were suppressed by the kernel just before: there were more kills than reports.`,
              [`${suppressed} callbacks suppressed`],
            ),
        report.problems.length === 0
          ? null
          : finding(
              "certain",
              "The report is not whole: what is missing in the text is missing here.",
              report.problems.slice(0, 3),
            ),
      ],
      [
        only === BARE || only === ENDED
          ? advice(
              "Give 'explain' the whole kernel log of that time (journalctl -k, dmesg), for the reason.",
              "The kernel prints its report just before the line of the kill, ten times in five seconds at most.",
            )
          : null,
        suppressed === 0
          ? null
          : advice(
              "Count kills by the kernel's counters, not by its log.",
              "Reports are limited to ten in five seconds for the whole machine; kills are not.",
            ),
      ],
    );
  },
};
