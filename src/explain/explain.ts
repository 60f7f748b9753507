/**
 * The best explanation of an OOM kill that its evidence allows: what ran out, who asked, who held it, why this victim,
 * what happened next, what to do. Pure: the same report and history give the same words.
 */
import type { Advice, Explanation, Finding, RankedTask } from "../model/explanation.ts";
import type { OomReport, ReportKill } from "../model/report.ts";
import { memoryParts } from "./anatomy.ts";
import type { Scored } from "./badness.ts";
import { headlineOf } from "./headline.ts";
import { type History, NO_HISTORY } from "./history.ts";
import { RULES } from "./rules.ts";
import { type RecordFacts, type Story, storyOfRecord, storyOfReport } from "./story.ts";

const RANKED = 20;
/** More advice than this is none. */
const ADVICE_LIMIT = 6;

/** Explains one kill of a report; `kill` is `null` for a report that has no victim. */
export function explainReport(
  report: OomReport,
  kill: ReportKill | null,
  context: History = NO_HISTORY,
): Explanation {
  return explain(storyOfReport(report, kill, context));
}

/** Explains a kill of which there is a record. `report` is `null` when the kernel printed none (rate limit): then what the record knows is told. */
export function explainRecord(
  record: RecordFacts,
  report: OomReport | null,
  context: History = NO_HISTORY,
): Explanation {
  return explain(storyOfRecord(record, report, context));
}

function explain(story: Story): Explanation {
  const findings: Finding[] = [];
  const advices: Advice[] = [];
  for (const rule of RULES) {
    const told = rule.tell(story);
    for (const finding of told?.findings ?? []) findings.push({ rule: rule.name, ...finding });
    for (const advice of told?.advice ?? []) advices.push({ rule: rule.name, ...advice });
  }
  const { ranking } = story;
  return {
    headline: headlineOf(story),
    findings,
    advice: ordered(advices).slice(0, ADVICE_LIMIT),
    memory: story.anatomy === null ? null : memoryParts(story.anatomy),
    ranking: ranking === null ? [] : rankedTasks(story, ranking.order),
    taskCount: taskCount(story.report),
    rankingAgrees: ranking?.agrees ?? null,
  };
}

/** What undoes the cause comes before what enlarges the room. */
const CAUSES_FIRST: readonly string[] = [
  "sysrq",
  "panic",
  "none-killable",
  "lowered",
  "memory-volume",
  "protected",
  "pattern",
];

function ordered(advices: readonly Advice[]): readonly Advice[] {
  const isCause = (advice: Advice) => CAUSES_FIRST.includes(advice.rule);
  return [...advices.filter(isCause), ...advices.filter((advice) => !isCause(advice))];
}

function taskCount(report: OomReport | null): number | null {
  if (report === null || (report.tasks.length === 0 && report.tasksDropped === 0)) return null;
  return report.tasks.length + report.tasksDropped;
}

/** The worst ones, and the victim even when it is not among them. */
function rankedTasks(story: Story, order: readonly Scored[]): readonly RankedTask[] {
  const worst = order.slice(0, RANKED);
  const victim = order.find((scored) => scored.task === story.row);
  const shown =
    victim === undefined || worst.includes(victim)
      ? worst
      : [...worst.slice(0, RANKED - 1), victim];
  return shown.map((scored) => rankedTask(story, scored));
}

function rankedTask({ row, trigger }: Story, { task, badness }: Scored): RankedTask {
  return {
    pid: task.pid,
    comm: task.comm,
    badness,
    rssBytes: task.rssBytes,
    swapBytes: task.swapBytes,
    oomScoreAdj: task.oomScoreAdj,
    victim: task === row,
    trigger: trigger?.pid === task.pid || trigger?.pid === task.tid,
  };
}
