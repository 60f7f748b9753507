/**
 * A text, line by line, to the kills in it with their stories: parser, owners and rules put together. It opens nothing, so
 * that a page in a browser (src/browser.ts) does the same as the command.
 */
import { KillMemory } from "../explain/history.ts";
import { killsOfReport, type Owner, type TextContext } from "../explain/report-kills.ts";
import { parseCgroupPath } from "../identify/cgroup-path.ts";
import { limitScope } from "../identify/scope.ts";
import type { ExplainedKill } from "../model/explanation.ts";
import type { KillRecord, UserspaceKillRecord } from "../model/record.ts";
import type { OomReport, ReportEvent } from "../model/report.ts";
import { ReportReader } from "../parse/report-reader.ts";
import type { LogClock } from "../parse/report-stamp.ts";

/** What a text tells, in its order. */
export type TextEvent =
  /** Several kills may come of one report. */
  | { readonly kind: "kill"; readonly kill: ExplainedKill; readonly report: OomReport }
  | {
      readonly kind: "userspace-kill";
      readonly record: UserspaceKillRecord;
      readonly line: number;
    }
  | { readonly kind: "problem"; readonly line: number; readonly sentence: string };

/** Ids given lately; the same id again within this many gets an ordinal. */
const IDS_KEPT = 4096;

/** One text. Memory is bounded whatever the text. */
export class TextExplainer {
  readonly #reader: ReportReader;
  readonly #ids = new Map<string, number>();
  readonly #context: TextContext = {
    ownerOf,
    memory: new KillMemory(null),
    freeId: (id) => this.#freeId(id),
  };

  /** `clock`: what is known of the clock of the log. */
  constructor(clock?: LogClock) {
    this.#reader = new ReportReader(clock);
  }

  /** As `ReportReader.idle`: nothing is open, lines may be left out if counted. */
  get idle(): boolean {
    return this.#reader.idle;
  }

  skip(lines: number): void {
    this.#reader.skip(lines);
  }

  /** One line without its newline. */
  push(line: string): readonly TextEvent[] {
    return this.#tell(this.#reader.push(line));
  }

  end(): readonly TextEvent[] {
    return this.#tell(this.#reader.end());
  }

  #tell(events: readonly ReportEvent[]): readonly TextEvent[] {
    return events.length === 0 ? NONE : events.flatMap((event) => this.#told(event));
  }

  #told(event: ReportEvent): readonly TextEvent[] {
    switch (event.kind) {
      case "report": {
        const { report } = event;
        const kills = killsOfReport(report, this.#reader.backwards ? this.#alone() : this.#context);
        return kills.map((kill) => ({ kind: "kill", kill, report }));
      }
      case "userspace-kill":
        return [userspaceKill(event)];
      case "problem":
        return [event];
    }
  }

  /** What was told before a newest-first report came after it: it is no history of it. */
  #alone(): TextContext {
    return { ...this.#context, memory: new KillMemory(null) };
  }

  #freeId(id: string): string {
    const times = (this.#ids.get(id) ?? 0) + 1;
    this.#ids.delete(id);
    this.#ids.set(id, times);
    if (this.#ids.size > IDS_KEPT) {
      const [oldest] = this.#ids.keys();
      if (oldest !== undefined) this.#ids.delete(oldest);
    }
    return times === 1 ? id : `${id}.${times}`;
  }
}

const NONE: readonly TextEvent[] = [];

function userspaceKill({ kill }: Extract<ReportEvent, { kind: "userspace-kill" }>): TextEvent {
  const { tool, at, line, pid, comm, cgroupPath, reason } = kill;
  const record = { tool, at, pid, comm, cgroup: cgroupPath, reason };
  return { kind: "userspace-kill", line, record: { type: "userspace-kill", ...record } };
}

/** Whose the victim's cgroup is, by its path alone. */
function ownerOf(kill: Pick<KillRecord, "limit" | "cgroup">): Owner {
  const path = kill.cgroup.path ?? kill.limit.cgroup;
  const { container, pod, unit } = parseCgroupPath(path ?? "/");
  return {
    container: container && {
      runtime: container.runtime ?? "unknown",
      id: container.id,
      name: null,
      image: null,
      imageId: null,
      restarts: null,
    },
    pod: pod && {
      namespace: null,
      name: null,
      uid: pod.uid,
      container: null,
      qosClass: pod.qosClass,
      owner: null,
    },
    unit: unit?.name ?? null,
    scope: limitScope(kill, container?.path ?? null),
  };
}
