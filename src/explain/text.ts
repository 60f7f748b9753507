/** An explanation for people at a terminal: what happened, what to do, then the figures it rests on. */
import type { ExplainedKill, Explanation, Finding, RankedTask } from "../model/explanation.ts";
import { type Fold, foldKills } from "./fold.ts";
import { bar, cut, DEFAULT_LAYOUT, type LayoutOptions, wrapped } from "./layout.ts";
import { bytesText, clean, cleanMiddle, countText, percentText } from "./words.ts";

/** Stories told in full when there are several kinds of kill; `details` tells all. */
const STORIES = 3;
const RANKED_SHORT = 6;

/** All kills of a text or a time: a summary when there are several, then a story for each kind. */
export function renderKills(
  kills: readonly ExplainedKill[],
  options: LayoutOptions = DEFAULT_LAYOUT,
): string {
  const folds = foldKills(kills);
  const told = options.details ? folds : mostFrequent(folds);
  const stories = told.map((fold) => foldLines(fold, options).join("\n"));
  const head = kills.length > 1 ? [summaryLines(kills, folds, options).join("\n")] : [];
  const rest = folds.length - told.length;
  const more = rest > 0 ? [`${countText(rest, "other kind")} of kill not told in full here.`] : [];
  return [...head, ...stories, ...more].map((part) => `${part}\n`).join("\n");
}

/** One kill with its whole story. */
export function renderKill(kill: ExplainedKill, options: LayoutOptions = DEFAULT_LAYOUT): string {
  return `${killLines(kill, options).join("\n")}\n`;
}

function mostFrequent(folds: readonly Fold[]): readonly Fold[] {
  const kept = folds.toSorted((a, b) => b.kills.length - a.kills.length).slice(0, STORIES);
  return folds.filter((fold) => kept.includes(fold));
}

function summaryLines(
  kills: readonly ExplainedKill[],
  folds: readonly Fold[],
  { width, styles }: LayoutOptions,
): string[] {
  const incidents = new Set(kills.map((kill) => kill.incident.id)).size;
  const title = `${countText(kills.length, "kill")} in ${countText(incidents, "run")} of the OOM killer, ${countText(folds.length, "kind")}`;
  const rows = folds.slice(0, 40).map((fold) => summaryRow(fold, width));
  const rest = folds.length - rows.length;
  return [
    styles.title(cut(title, width)),
    styles.heading(cut("  KILLS  FIRST .. LAST         WHAT", width)),
    ...rows,
    ...(rest > 0 ? [`         and ${countText(rest, "more kind")}`] : []),
  ];
}

function summaryRow({ kills, shown }: Fold, width: number): string {
  const times = kills.map((kill) => clockText(kill.at));
  const first = times[0] ?? "";
  const last = times.at(-1) ?? "";
  const span = first === last ? first : `${first} .. ${last}`;
  const many = kills.length > 1;
  const what = shown.explanation === null ? plainHeadline(shown) : shown.explanation.headline;
  const text = many ? what.replace(/\[\d+\]/g, "") : what;
  return cut(`${String(kills.length).padStart(7)}  ${span.padEnd(20)}  ${clean(text, 400)}`, width);
}

/** `23:10:05` of an RFC 3339 moment. */
function clockText(at: string | null): string {
  return at === null ? "time unknown" : clean(at, 40).slice(11, 19);
}

function foldLines(fold: Fold, options: LayoutOptions): string[] {
  const count = fold.kills.length;
  if (count === 1) return killLines(fold.shown, options);
  const what =
    fold.incidents === 1
      ? `${count} processes killed together; the one that was chosen:`
      : `${count} kills of this kind; the last one:`;
  return [options.styles.faint(cut(what, options.width)), ...killLines(fold.shown, options)];
}

function killLines(kill: ExplainedKill, options: LayoutOptions): string[] {
  const { styles, width } = options;
  const { explanation } = kill;
  const headline = clean(explanation?.headline ?? plainHeadline(kill), 400);
  return [
    ...wrapped(headline, "", width).map(styles.title),
    ...wrapped(whereText(kill), "  ", width).map(styles.faint),
    ...(explanation === null ? [] : storyLines(explanation, options)),
  ];
}

function plainHeadline(kill: ExplainedKill): string {
  return `${kill.victim.comm ?? "a process"} killed for memory`;
}

/** When and where, in one line. */
export function whereText(kill: ExplainedKill): string {
  const { pod, container, unit, cgroup } = kill;
  const owner =
    pod?.name != null
      ? `pod ${[pod.namespace, pod.name].filter((part) => part !== null).join("/")}`
      : (container?.name ?? unit ?? null);
  const parts = [
    kill.at === null ? "time not in the text" : kill.at.replace("T", " ").replace(/\.\d+Z$/, "Z"),
    kill.node,
    owner,
    pod?.container ?? null,
    owner === null ? cgroup.path : null,
  ];
  return parts.flatMap((part) => (part === null ? [] : [cleanMiddle(part, 72)])).join(" | ");
}

function storyLines(explanation: Explanation, options: LayoutOptions): string[] {
  return [
    ...section(
      "WHAT HAPPENED",
      explanation.findings.flatMap((one) => findingLines(one, options)),
      options,
    ),
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
    (task.badness === null ? "never" : String(task.badness)).padStart(10),
    ` ${roles.join(", ")}`,
  ];
  return cells.join(" ").trimEnd();
}
