import type { KillRecord } from "../model/record.ts";
import type { KillStory } from "./sink.ts";
import { ownerOf } from "./terminal-words.ts";

/** The same story is not printed again so soon: of a storm one line says why. */
const REPEAT_MILLISECONDS = 60_000;
const KEPT = 1_000;

/** Which stories are worth a line: one for a run of the OOM killer, and one a minute for the same process in the same place. */
export class StoryLines {
  /** When a story was printed last, ms, by what makes it the same; the longest ago first. */
  readonly #printed = new Map<string, number>();

  /** Whether this one is; then it counts as printed. */
  take(story: KillStory, now: number): boolean {
    const { record } = story;
    if (!saysMore(story)) return false;
    const keys = [`run ${record.incident.id}`, sameStory(record)];
    const isNew = keys.every((key) => {
      const at = this.#printed.get(key);
      return at === undefined || now - at >= REPEAT_MILLISECONDS;
    });
    if (!isNew) return false;
    for (const key of keys) this.#remember(key, now);
    return true;
  }

  #remember(key: string, now: number): void {
    this.#printed.delete(key);
    this.#printed.set(key, now);
    const oldest = this.#printed.keys().next();
    if (this.#printed.size > KEPT && oldest.done !== true) this.#printed.delete(oldest.value);
  }
}

/** Without a report the line of the kill says as much, if the limit is not known or all is long past. */
function saysMore({ record, explanation }: KillStory): boolean {
  const hasReport = explanation.memory !== null || explanation.ranking.length > 0;
  return hasReport || (record.limit.scope !== null && !record.recovered);
}

function sameStory(record: KillRecord): string {
  const { limit, victim } = record;
  return [ownerOf(record), victim.comm, limit.scope, limit.cgroup].join("\0");
}
