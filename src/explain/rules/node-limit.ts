import type { TaskRow } from "../../model/report.ts";
import { LITTLE } from "../innocence.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, percentText, processText, quantityText, roundedUp } from "../words.ts";

/** The machine ran out and nothing was limited: who holds it, and what would have contained it. */
export const nodeLimit: Rule = {
  name: "node-limit",
  tell: (story) => {
    const { tasks, constraint, scope } = story;
    if (constraint !== "none" || story.sysrq || scope !== "node") return null;
    const [largest, second] = tasks.toSorted((a, b) => b.rssBytes - a.rssBytes);
    if (largest === undefined || isProtected(largest, story)) return null;
    const total = story.anatomy?.totalBytes ?? null;
    const small = total !== null && largest.rssBytes < total * LITTLE;
    const name = processText(largest.comm, largest.pid);
    const share = total === null ? "" : ` (${percentText(largest.rssBytes, total)} of the machine)`;
    const who = `${name} with ${bytesText(largest.rssBytes)}${share}`;
    const next =
      second === undefined
        ? ""
        : `, then ${processText(second.comm, second.pid)} with ${bytesText(second.rssBytes)}`;
    const text = small
      ? `No single process is large: the largest is ${who}${next}.`
      : largest === story.row
        ? `${name} alone holds ${bytesText(largest.rssBytes)}${share}.`
        : `The largest process is ${who}${next}.`;
    return told(
      [finding("certain", text, [`${tasks.length} processes in the table`])],
      [small ? spread(story) : contain(largest)],
    );
  },
};

/** Such a process is protected on purpose. */
const PROTECTED = -900;

/** No one to contain. What is not processes' memory has rules of its own, and so has memory that may not be used. */
function spread({ anatomy }: Story) {
  const held = anatomy?.anonBytes ?? null;
  if (anatomy === null || held === null || held < anatomy.totalBytes / 2) return null;
  return advice(
    "Give this machine more memory or fewer programs: no single process is to blame.",
    "The largest process holds less than a quarter of it, all together hold most of it.",
  );
}

/** Then rules/protected.ts tells of it. */
function isProtected(task: TaskRow, { row }: Story): boolean {
  return (task.oomScoreAdj ?? 0) <= PROTECTED && row !== null && task.rssBytes > row.rssBytes;
}

function contain({ comm, rssBytes }: TaskRow) {
  const size = quantityText(roundedUp(rssBytes));
  return advice(
    `Put a memory limit on ${processText(comm, null)}, a little above what it should need (it holds ${bytesText(rssBytes)} now; ${size} would have stopped it about here).`,
    "No limit was hit, so the shortage hit everybody: with one (Kubernetes: limits.memory and an equal request; systemd: MemoryMax=) the one that grows dies alone.",
  );
}
