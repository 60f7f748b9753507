/**
 * `oomwitness/browser`: reads and explains kernel logs where there is no Node, as `oomwitness explain` does. Nothing it
 * imports opens a file, asks for the time or names a module of Node (src/browser.test.ts).
 */
import { type TextEvent, TextExplainer } from "./agent/text-explainer.ts";
import type { ExplainedKill } from "./model/explanation.ts";
import type { UserspaceKillRecord } from "./model/record.ts";

/** Everything that a text tells, in its order. */
export interface ExplainedText {
  readonly kills: readonly ExplainedKill[];
  /** Processes killed by programs that watch memory: not by the kernel, and no `kills`. */
  readonly userspaceKills: readonly UserspaceKillRecord[];
  /** Lines about OOM kills that could not be read. */
  readonly problems: readonly { readonly line: number; readonly sentence: string }[];
}

/** All OOM kills in a text of any kind, each with its explanation. Never throws; time is linear in the text's length. */
export function explainText(text: string): ExplainedText {
  const kills: ExplainedKill[] = [];
  const userspaceKills: UserspaceKillRecord[] = [];
  const problems: { line: number; sentence: string }[] = [];
  const take = (events: readonly TextEvent[]) => {
    for (const event of events) {
      if (event.kind === "kill") kills.push(event.kill);
      else if (event.kind === "userspace-kill") userspaceKills.push(event.record);
      else problems.push({ line: event.line, sentence: event.sentence });
    }
  };
  const explainer = new TextExplainer();
  for (let from = 0; from <= text.length; ) {
    const end = text.indexOf("\n", from);
    take(explainer.push(text.slice(from, end === -1 ? text.length : end)));
    from = end === -1 ? text.length + 1 : end + 1;
  }
  take(explainer.end());
  return { kills, userspaceKills, problems };
}

export { type TextEvent, TextExplainer } from "./agent/text-explainer.ts";
export { ANSI, type LayoutOptions, PLAIN, type StyleTable } from "./explain/layout.ts";
export { renderMarkdown } from "./explain/markdown.ts";
export { renderKill, renderKills } from "./explain/text.ts";
export type * from "./model/explanation.ts";
export type * from "./model/record.ts";
export type * from "./model/report.ts";
