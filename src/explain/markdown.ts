/** An explanation for a ticket. Names in it come from outside: nothing of them may become a link, a mention or markup. */
import type { ExplainedKill, Explanation, Finding, RankedTask } from "../model/explanation.ts";
import { countsText, totalOf } from "./counts.ts";
import { type Fold, type Folds, foldHeadline, foldKills, plainHeadline } from "./fold.ts";
import { areAllNamed, badnessText, leftOutText, summaryTitle, whereText } from "./text.ts";
import { bytesText, clean, percentText } from "./words.ts";

const RANKED = 10;
const STORIES = 20;

/** Kills as Markdown (GitHub, GitLab, Jira's importer): a table when there are several, then a story for each kind. */
export function renderMarkdown(kills: readonly ExplainedKill[]): string {
  return foldsMarkdown(foldKills(kills));
}

/** The same of kills that were folded as they came. */
export function foldsMarkdown(folds: Folds): string {
  const head = totalOf(folds.counts) > 1 ? [summary(folds)] : [];
  const stories = folds.list.slice(0, STORIES).map((fold) => story(fold));
  return `${[...head, ...stories].join("\n\n")}\n`;
}

/** Outside text as plain Markdown text: markup escaped, no mention, no reference, no link. */
export function markdownText(text: string): string {
  return clean(text, 1000)
    .replace(/[\\`*_{}[\]<>()#+|~!]/g, (sign) =>
      sign === "<" ? "&lt;" : sign === ">" ? "&gt;" : `\\${sign}`,
    )
    .replaceAll("@", "&#64;")
    .replaceAll("://", "&#58;//")
    .replace(/www\./gi, (match) => `${match.slice(0, 3)}&#46;`)
    .replace(/^(\s*)([-=]|\d+[.)])/, "$1\\$2");
}

/** Outside text as code: the fence is longer than any run of backticks in it. */
function markdownCode(text: string): string {
  const safe = clean(text, 300).replaceAll("|", "\\|");
  const longest = Math.max(0, ...[...safe.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  return longest === 0 ? `${fence}${safe}${fence}` : `${fence} ${safe} ${fence}`;
}

function summary(folds: Folds): string {
  const title = summaryTitle(folds);
  const rows = folds.list.map(
    (fold) => `| ${totalOf(fold.counts)} | ${markdownText(foldHeadline(fold))} |`,
  );
  return [
    title.replace(/^(\d+) (kills?)/, "**$1 OOM $2**"),
    "",
    areAllNamed(folds) ? "| Kills | What |" : "| Count | What |",
    "|---|---|",
    ...rows,
    ...leftOutText(folds).map((text) => `\n${markdownText(text)}`),
  ].join("\n");
}

function story({ counts, shown }: Fold): string {
  const { explanation } = shown;
  const title = explanation?.headline ?? plainHeadline(shown);
  const many =
    totalOf(counts) > 1 ? ` (${countsText(counts)} of this kind, one of them shown)` : "";
  const parts = [`### ${markdownText(title)}`, `${markdownText(whereText(shown))}${many}`];
  return (explanation === null ? parts : [...parts, ...sections(explanation)]).join("\n\n");
}

function sections(explanation: Explanation): string[] {
  const { findings, advice, memory } = explanation;
  return [
    `**What happened**\n\n${findings.map(findingLine).join("\n")}`,
    advice.length === 0
      ? ""
      : `**What to do**\n\n${advice
          .map(
            (one, index) =>
              `${index + 1}. **${markdownText(one.sentence)}** ${markdownText(one.reason)}`,
          )
          .join("\n")}`,
    memory === null ? "" : memoryTable(explanation),
    explanation.ranking.length === 0 ? "" : taskTable(explanation),
    `**Evidence**\n\n${findings.flatMap(evidenceLines).join("\n")}`,
  ].filter((part) => part !== "");
}

function findingLine({ sentence, confidence }: Finding): string {
  return `- ${markdownText(sentence)}${confidence === "certain" ? "" : ` *(${confidence})*`}`;
}

function evidenceLines({ rule, evidence }: Finding): string[] {
  return evidence.filter((line) => line !== "").map((line) => `- ${rule}: ${markdownCode(line)}`);
}

function memoryTable({ memory }: Explanation): string {
  if (memory === null) return "";
  const rows = memory.parts.map(({ name, bytes }) => {
    return `| ${markdownText(name)} | ${bytesText(bytes)} | ${percentText(bytes, memory.totalBytes)} |`;
  });
  const of = memory.of === "node" ? "usable on the machine" : "in use under the limit";
  return [
    `**Memory** (${bytesText(memory.totalBytes)} ${of})`,
    "",
    "| Part | Size | Share |",
    "|---|---|---|",
    ...rows,
  ].join("\n");
}

function taskTable({ ranking, taskCount }: Explanation): string {
  const shown = ranking.filter((task, index) => index < RANKED || task.victim);
  const head = "| PID | Name | RSS | Adj | Badness | |\n|---|---|---|---|---|---|";
  const all = taskCount ?? ranking.length;
  return [`**Processes** (${shown.length} of ${all})`, "", head, ...shown.map(taskLine)].join("\n");
}

function taskLine(task: RankedTask): string {
  const roles = [task.victim ? "killed" : "", task.trigger ? "asked" : ""].filter(
    (role) => role !== "",
  );
  const cells = [
    String(task.pid),
    markdownCode(task.comm),
    bytesText(task.rssBytes),
    String(task.oomScoreAdj ?? "?"),
    badnessText(task),
    roles.join(", "),
  ];
  return `| ${cells.join(" | ")} |`;
}
