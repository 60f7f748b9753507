/** An explanation for people at a terminal: what happened, what to do, then the figures it rests on. */
import type { ExplainedKill, Explanation, Finding, RankedTask } from "../model/explanation.ts";
import { countsText, totalOf } from "./counts.ts";
import { type Fold, type Folds, foldHeadline, foldKills, plainHeadline } from "./fold.ts";
import { bar, cut, DEFAULT_LAYOUT, type LayoutOptions, wrapped } from "./layout.ts";
import { bytesText, clean, cleanMiddle, countText, percentText } from "./words.ts";

/** Stories told in full when there are several kinds of kill; `details` tells all. */
const STORIES = 3;
const RANKED_SHORT = 6;
const FINDINGS_SHORT = 8;

/** All kills of a text or a time: a summary when there are several, then a story for each kind. */
export function renderKills(
  kills: readonly ExplainedKill[],
  options: LayoutOptions = DEFAULT_LAYOUT,
): string {
  return renderFolds(foldKills(kills), options);
}

/** The same of kills that were folded as they came. */
export function renderFolds(folds: Folds, options: LayoutOptions = DEFAULT_LAYOUT): string {
  const kinds = folds.list;
  const told = options.details ? kinds : mostFrequent(kinds, STORIES);
  const stories = told.map((fold) => foldLines(fold, options).join("\n"));
  const head = totalOf(folds.counts) > 1 ? [summaryLines(folds, options).join("\n")] : [];
  const rest = kinds.length - told.length;
  const more = rest > 0 ? [`${countText(rest, "other kind")} of kill not told in full here.`] : [];
  return [...head, ...stories, ...more].map((part) => `${part}\n`).join("\n");
}

/** One kill with its whole story. */
export function renderKill(kill: ExplainedKill, options: LayoutOptions = DEFAULT_LAYOUT): string {
  return `${killLines(kill, options).join("\n")}\n`;
}

/** The kinds that have the most kills, in the order they began. */
function mostFrequent(folds: readonly Fold[], most: number): readonly Fold[] {
  if (folds.length <= most) return folds;
  const kept = new Set(
    folds.toSorted((a, b) => totalOf(b.counts) - totalOf(a.counts)).slice(0, most),
  );
  return folds.filter((fold) => kept.has(fold));
}

/** Kinds of kill in the summary; `details` shows all. */
const ROWS = 20;

function summaryLines(folds: Folds, { width, styles, details }: LayoutOptions): string[] {
  const kinds = folds.list;
  const shown = details ? kinds : mostFrequent(kinds, ROWS);
  const timed = shown.some((fold) => spanText(fold) !== "");
  const rows = shown.flatMap((fold) => summaryRow(fold, timed, width));
  const rest = kinds.length - shown.length;
  const count = areAllNamed(folds) ? "  KILLS" : "  COUNT";
  const head = timed ? `${count}  FIRST .. LAST         WHAT` : `${count}  WHAT`;
  return [
    styles.title(cut(`${summaryTitle(folds)}, ${kindsText(folds)}`, width)),
    styles.heading(cut(head, width)),
    ...rows,
    ...(rest > 0 ? [`         and ${countText(rest, "rarer kind")} of kill`] : []),
    ...leftOutText(folds).flatMap((text) => wrapped(text, "         ", width)),
  ];
}

export function areAllNamed({ counts }: Folds): boolean {
  return counts.victims === totalOf(counts);
}

function kindsText({ list, leftOut }: Folds): string {
  return `${leftOut > 0 ? "more than " : ""}${countText(list.length, "kind")}`;
}

/** That a text of very many kinds was summarised; nothing when it was not. */
export function leftOutText({ list, leftOut }: Folds): string[] {
  if (leftOut === 0) return [];
  const kept = countText(list.length, "kind");
  return [`and ${countText(leftOut, "kill")} of further kinds: only the first ${kept} are kept`];
}

/** `9 kills in 4 runs of the OOM killer, and 2 more that name no victim`. */
export function summaryTitle({ counts, runs, namedRuns }: Folds): string {
  const none = totalOf(counts) - counts.victims;
  if (counts.victims === 0)
    return `${countText(runs, "run")} of the OOM killer that name no victim`;
  const title = `${countText(counts.victims, "kill")} in ${countText(namedRuns, "run")} of the OOM killer`;
  return none === 0 ? title : `${title}, and ${none} more that name no victim`;
}

function summaryRow(fold: Fold, timed: boolean, width: number): string[] {
  const count = String(totalOf(fold.counts)).padStart(7);
  const first = timed ? `${count}  ${spanText(fold).padEnd(20)}  ` : `${count}  `;
  return wrapped(
    clean(foldHeadline(fold), 400),
    first.length > width / 2 ? `${count}  ` : first,
    width,
  );
}

/** `07:29:13 .. 07:29:41`; nothing when the text has no times. */
function spanText({ firstAt, lastAt }: Fold): string {
  if (firstAt === null || lastAt === null) return "";
  const [first, last] = [firstAt, lastAt].map((at) => clean(at, 40).slice(11, 19));
  return first === last ? `${first}` : `${first} .. ${last}`;
}

function foldLines(fold: Fold, options: LayoutOptions): string[] {
  const count = totalOf(fold.counts);
  // The headline of a group kill has the number of its members.
  if (count === 1 || fold.incidents === 1) return killLines(fold.shown, options);
  const what = `${countsText(fold.counts)} of this kind; the last one:`;
  return [options.styles.faint(cut(what, options.width)), ...killLines(fold.shown, options)];
}

function killLines(kill: ExplainedKill, options: LayoutOptions): string[] {
  const { styles, width } = options;
  const { explanation } = kill;
  const headline = clean(explanation?.headline ?? plainHeadline(kill), 400);
  return [
    ...wrapped(headline, "", width).map(styles.title),
    ...whereLines(kill, options).map(styles.faint),
    ...(explanation === null ? [] : storyLines(explanation, options)),
  ];
}

/** When and where, in one line. */
export function whereText(kill: ExplainedKill): string {
  return whereParts(kill).join(" | ");
}

function whereLines(kill: ExplainedKill, { width }: LayoutOptions): string[] {
  const parts = whereParts(kill).map((part) => cleanMiddle(part, width - 2));
  const line = parts.join(" | ");
  return line.length <= width - 2 ? [`  ${line}`] : parts.map((part) => `  ${part}`);
}

function whereParts(kill: ExplainedKill): string[] {
  const { at, node } = kill;
  const parts = [
    at === null ? "time not read" : at.replace("T", " ").replace(/\.\d+Z$/, "Z"),
    node,
    ...ownerParts(kill),
  ];
  return parts.flatMap((part) => (part === null ? [] : [cleanMiddle(part, 300)]));
}

/** Whose it was: by name where a runtime told it, else by what the cgroup's path has. */
function ownerParts({ pod, container, unit, cgroup }: ExplainedKill): (string | null)[] {
  const id = container === null ? null : (container.name ?? container.id.slice(0, 12));
  if (pod !== null) {
    const name = [pod.namespace, pod.name].filter((part) => part !== null).join("/");
    const whose = pod.name === null ? `pod with uid ${pod.uid ?? "unknown"}` : `pod ${name}`;
    const within = pod.container ?? id;
    return [whose, within === null ? null : `container ${within}`];
  }
  if (id !== null) return [`container ${id}`];
  return [unit ?? (cgroup.path === "/" ? null : cgroup.path)];
}

function storyLines(explanation: Explanation, options: LayoutOptions): string[] {
  return [
    ...section("WHAT HAPPENED", allFindingLines(explanation, options), options),
    ...section("WHAT TO DO", adviceLines(explanation, options), options),
    ...section(memoryTitle(explanation), memoryLines(explanation, options), options),
    ...section(tableTitle(explanation, options), tableLines(explanation, options), options),
  ];
}

function section(
  title: string,
  lines: readonly string[],
  { styles, width }: LayoutOptions,
): string[] {
  return lines.length === 0 ? [] : ["", styles.heading(cut(title, width)), ...lines];
}

/** The first ones say what an operator needs; the rest is for whoever doubts them. */
function allFindingLines({ findings }: Explanation, options: LayoutOptions): string[] {
  const shown = options.details ? findings : findings.slice(0, FINDINGS_SHORT);
  const rest = findings.length - shown.length;
  const more = `  - ${countText(rest, "more finding")} with 'explain --all'.`;
  const lines = shown.flatMap((one) => findingLines(one, options));
  return rest > 0 ? [...lines, options.styles.faint(more)] : lines;
}

function findingLines(finding: Finding, { width, styles, details }: LayoutOptions): string[] {
  const mark = finding.confidence === "certain" ? "" : ` (${finding.confidence})`;
  const lines = wrapped(`${finding.sentence}${mark}`, "  - ", width);
  if (!details) return lines;
  const evidence = finding.evidence.flatMap((line) => wrapped(line, "      ", width));
  return [...lines, ...evidence.map(styles.faint)];
}

function adviceLines({ advice }: Explanation, { width, styles }: LayoutOptions): string[] {
  return advice.flatMap((one, index) => [
    ...wrapped(one.sentence, `  ${index + 1}. `, width).map(styles.advice),
    ...wrapped(one.reason, "     ", width).map(styles.faint),
  ]);
}

function memoryTitle({ memory }: Explanation): string {
  if (memory === null) return "";
  return memory.of === "node"
    ? `MEMORY OF THE MACHINE: ${bytesText(memory.totalBytes)} usable`
    : `MEMORY UNDER THE LIMIT: ${bytesText(memory.totalBytes)} in use`;
}

function memoryLines({ memory }: Explanation, { width, styles }: LayoutOptions): string[] {
  if (memory === null) return [];
  return memory.parts.slice(0, 8).map(({ name, bytes }) => {
    const text = `  ${cut(clean(name), 44).padEnd(44)} ${bytesText(bytes).padStart(9)} ${percentText(bytes, memory.totalBytes).padStart(5)} `;
    const room = width - text.length;
    const drawn = room >= 6 ? bar(bytes / memory.totalBytes, Math.min(20, room)) : "";
    return cut(text, width).trimEnd() === text.trimEnd()
      ? text + styles.faint(drawn)
      : cut(text, width);
  });
}

function shownTasks({ ranking }: Explanation, details: boolean): readonly RankedTask[] {
  if (details) return ranking;
  return ranking.filter((task, index) => index < RANKED_SHORT || task.victim || task.trigger);
}

function tableTitle(explanation: Explanation, { details }: LayoutOptions): string {
  const shown = shownTasks(explanation, details).length;
  const all = explanation.taskCount ?? explanation.ranking.length;
  const scored = explanation.ranking.some((task) => task.badness !== null);
  return `PROCESSES: ${shown === all ? `all ${all}` : `${shown} of ${all}`}, ${scored ? "in the kernel's order of killing" : "largest first"}`;
}

function tableLines(explanation: Explanation, { width, styles, details }: LayoutOptions): string[] {
  const tasks = shownTasks(explanation, details);
  if (tasks.length === 0) return [];
  const head = "      PID  NAME                   RSS      SWAP    ADJ    BADNESS";
  const rows = tasks.map((task) => {
    const row = cut(taskRow(task), width);
    return task.victim ? styles.victim(row) : row;
  });
  return [styles.faint(cut(head, width)), ...rows];
}

/** `never` for what the kernel must not kill, `?` where its formula is not known. */
export function badnessText({ badness, oomScoreAdj, pid }: RankedTask): string {
  if (badness !== null) return String(badness);
  return oomScoreAdj === -1000 || pid === 1 ? "never" : "?";
}

function taskRow(task: RankedTask): string {
  const roles = [task.victim ? "killed" : "", task.trigger ? "asked" : ""].filter(
    (role) => role !== "",
  );
  const cells = [
    String(task.pid).padStart(9),
    ` ${cut(clean(task.comm, 40), 16).padEnd(16)}`,
    bytesText(task.rssBytes).padStart(9),
    (task.swapBytes === null
      ? "?"
      : task.swapBytes === 0
        ? "0"
        : bytesText(task.swapBytes)
    ).padStart(9),
    String(task.oomScoreAdj ?? "?").padStart(6),
    badnessText(task).padStart(10),
    ` ${roles.join(", ")}`,
  ];
  return cells.join(" ").trimEnd();
}
