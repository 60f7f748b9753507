import type { Identity } from "../src/model/identity.ts";
import type { ExitRecord } from "../src/model/record.ts";
import { formatWall, parseFormattedWall, SECOND } from "../src/model/time.ts";
import type { ContainersOutcome, Line } from "./containers-run.ts";
import { wallOf } from "./containers-tell.ts";
import {
  BEGIN,
  END,
  MILLISECOND,
  type TrueContainer,
  type TrueKill,
  type TrueRun,
} from "./containers-world.ts";

/** Compares what was told with what happened. Knows the truth, and nothing of how `Containers` works. */
export function checkContainers(outcome: ContainersOutcome): readonly string[] {
  return new Checker(outcome).all();
}

function saysTheSame(one: ExitRecord, other: ExitRecord): boolean {
  return JSON.stringify({ ...one, revision: 0 }) === JSON.stringify({ ...other, revision: 0 });
}

type KillLine = Extract<Line, { kind: "kill" }>;

class Checker {
  readonly #outcome: ContainersOutcome;
  readonly #problems: string[] = [];
  readonly #lines = new Map<string, KillLine[]>();
  /** No daemon and no agent was ever away: everything is to be known. */
  readonly #calm: boolean;

  constructor(outcome: ContainersOutcome) {
    this.#outcome = outcome;
    this.#calm = outcome.plan.outages.length === 0 && outcome.plan.crashes.length === 0;
    for (const line of outcome.lines) {
      if (line.kind !== "kill") continue;
      this.#lines.set(line.id, [...(this.#lines.get(line.id) ?? []), line]);
    }
  }

  all(): readonly string[] {
    for (const kill of this.#outcome.world.kills) this.#kill(kill);
    for (const container of this.#outcome.world.containers) this.#exits(container);
    for (const line of this.#outcome.lines) if (line.kind === "exit") this.#known(line.record);
    if (this.#outcome.stateLength > 500_000) this.#wrong(`state of ${this.#outcome.stateLength}`);
    return this.#problems;
  }

  #wrong(what: string): void {
    this.#problems.push(what);
  }

  // --- kills

  #kill(kill: TrueKill): void {
    const lines = this.#lines.get(kill.id) ?? [];
    let settled: Identity["visibility"] | null = null;
    for (const { identity, now } of lines) {
      this.#place(kill, identity);
      const { main, visibility } = identity;
      // Who started anew within the second in which the end of the life before is late is taken for a child, at first.
      const isLate = this.#isLate && !main;
      if (main !== null && main !== kill.main && !isLate) {
        this.#wrong(`${kill.id}: main ${main} at ${now}`);
      }
      if (settled !== null && visibility !== settled) {
        this.#wrong(`${kill.id}: ${settled}, then ${visibility}`);
      }
      if (visibility === "visible" || visibility === "invisible") settled = visibility;
    }
    const last = lines.at(-1);
    if (last === undefined) this.#wrong(`${kill.id}: never told`);
    else this.#final(kill, last.identity);
  }

  get #isLate(): boolean {
    return this.#outcome.plan.late > 0 || this.#outcome.plan.slow > 0;
  }

  /** The right container, the right pod, or none; never another. */
  #place(kill: TrueKill, { container, pod }: Identity): void {
    const { id, pod: truth } = kill.container;
    if (container !== null && container.id !== id)
      this.#wrong(`${kill.id}: container ${container.id}`);
    if (pod !== null && pod.uid !== null && pod.uid !== truth?.uid) {
      this.#wrong(`${kill.id}: pod ${pod.uid}`);
    }
  }

  #final(kill: TrueKill, identity: Identity): void {
    const { path, pid } = this.#evidence(kill);
    const { container: owner } = kill;
    const told = path === owner.path;
    const named = told && path.includes(owner.id);
    const { container, pod, main, visibility } = identity;
    if (named && container === null) this.#wrong(`${kill.id}: no container for ${path}`);
    if (told && owner.pod !== null && pod?.uid !== owner.pod.uid) this.#wrong(`${kill.id}: no pod`);
    const isLate = this.#isLate && !main;
    if (main !== null && main !== kill.main && !isLate) {
      this.#wrong(`${kill.id}: main ${main} for good`);
    }
    if (visibility === "pending") this.#wrong(`${kill.id}: pending for good`);
    this.#visibility(kill, visibility);
    const isKnown = named || this.#isLong(kill.run);
    if (!this.#calm || !told || !isKnown) return;
    if (container?.name !== owner.name) this.#wrong(`${kill.id}: no name`);
    if (!this.#knowsMain(kill) || pid === null) return;
    if (main === null) this.#wrong(`${kill.id}: main is not known`);
    if (visibility === "unknown") this.#wrong(`${kill.id}: visibility is not known`);
  }

  #visibility(kill: TrueKill, said: Identity["visibility"]): void {
    if (said === "unknown" || said === "pending" || this.#isAtEdge(kill)) return;
    if ((said === "visible") !== kill.visible) {
      this.#wrong(
        `${kill.id}: ${said}, but the end was ${(kill.run.end - kill.at) / SECOND} s later`,
      );
    }
  }

  /** The time of the kill is not known well enough. */
  #isAtEdge({ at, run, id, main }: TrueKill): boolean {
    const { slow } = this.#outcome.plan;
    // Of a child: a daemon that is slow to tell or stamps late has its end later than it was.
    if (slow > 0 && !main && run.end - at < 1.2 * SECOND) return true;
    const all = this.#outcome.evidence.filter(({ kill }) => kill.id === id);
    const vague = Math.max(...all.map((one) => one.at.uncertaintyMicroseconds));
    const left = run.end - at;
    return left > 0.9 * SECOND && left < 1.15 * SECOND + 2 * vague;
  }

  #evidence(kill: TrueKill): { path: string | null; pid: number | null; limit: string | null } {
    const last = this.#outcome.evidence.findLast((one) => one.kill.id === kill.id);
    const { cgroup, victim, limit } = last?.record ?? {};
    return { path: cgroup?.path ?? null, pid: victim?.pid ?? null, limit: limit?.cgroup ?? null };
  }

  /** Long enough for a daemon to have looked at it. */
  #isLong({ start, end }: TrueRun): boolean {
    return end - start > SECOND / 4 + 2 * this.#outcome.plan.slow;
  }

  /** CRI does not say which process is the main one; a short life may be over before it is looked at. */
  #knowsMain({ container, run }: TrueKill): boolean {
    if (container.sources.includes("containerd"))
      return container.pod !== null || run.start > BEGIN;
    return !container.sources.includes("cri") && this.#isLong(run);
  }

  // --- exits

  #exits(container: TrueContainer): void {
    const lines = this.#lastRevisions(container);
    const told = new Set<TrueRun>();
    // What somebody told has its own time; what was concluded is about one of the others.
    const sorted = lines.toSorted(
      (a, b) => Number(a.record.exitCode === null) - Number(b.record.exitCode === null),
    );
    for (const { record, index } of sorted) {
      const run = this.#runOf(container, record, told);
      if (run === undefined) {
        this.#wrong(
          `${container.name} ${record.at}: no such exit, or told before (${record.verdict})`,
        );
        continue;
      }
      told.add(run);
      this.#exit(container, run, record, index);
    }
    if (container.sandbox && lines.length > 0) this.#wrong("the exit of a sandbox");
    for (const run of container.runs) if (!told.has(run)) this.#missing(container, run);
  }

  /** What was last said of each exit, with the place in the output at which it was opened. */
  #lastRevisions(container: TrueContainer): { record: ExitRecord; index: number }[] {
    const latest = new Map<string, { record: ExitRecord; index: number }>();
    for (const [index, line] of this.#outcome.lines.entries()) {
      if (line.kind !== "exit" || line.record.container.id !== container.id) continue;
      const { record } = line;
      const before = latest.get(record.id);
      const expected = before === undefined ? 0 : before.record.revision + 1;
      if (record.revision !== expected) this.#wrong(`${record.id}: revision ${record.revision}`);
      if (before !== undefined && saysTheSame(before.record, record))
        this.#wrong(`${record.id}: revision ${record.revision} says nothing new`);
      latest.set(record.id, { record, index: before?.index ?? index });
    }
    return [...latest.values()];
  }

  /**
   * The life that the record is about. An end that somebody told has its time. One that was concluded has the latest moment at
   * which it can have been, when others may have come and gone unheard: it is about the life whose kills it lists. Kills of
   * two lives in one record, or of one in two, are found by that as before.
   */
  #runOf(
    container: TrueContainer,
    record: ExitRecord,
    told: ReadonlySet<TrueRun>,
  ): TrueRun | undefined {
    const at = (parseFormattedWall(record.at) ?? 0) - wallOf(0);
    const others = container.runs.filter((run) => !told.has(run));
    const { slow } = this.#outcome.plan;
    const ids = new Set(record.kills);
    const own = others.findLast(({ kills }) => kills.some(({ id }) => ids.has(id)));
    const isConcluded = record.exitCode === null;
    if (isConcluded && own !== undefined && own.end <= at + 60 * MILLISECOND) return own;
    const near = others
      .filter(({ end }) => end - at <= 60 * MILLISECOND && at - end <= 60 * MILLISECOND + 3 * slow)
      .at(-1);
    if (near !== undefined || !isConcluded) return near;
    return others.findLast(({ end }) => end <= at);
  }

  #missing(container: TrueContainer, run: TrueRun): void {
    if (!Number.isFinite(run.end) || run.end > END || container.sandbox) return;
    if (run.end < BEGIN + SECOND / 2) return;
    if (!this.#calm && this.#isInTrouble(container, run)) return;
    this.#wrong(`${container.name}: the exit at ${formatWall(wallOf(run.end))} was not told`);
  }

  /** Perhaps nobody could hear of it. */
  #isInTrouble(container: TrueContainer, run: TrueRun): boolean {
    const { crashes, outages } = this.#outcome.plan;
    const away = [
      ...crashes,
      ...outages.filter(({ source }) => container.sources.includes(source)),
    ];
    return away.some(({ from, to }) => run.start < to + SECOND && run.end > from - 7 * SECOND);
  }

  #exit(container: TrueContainer, run: TrueRun, record: ExitRecord, index: number): void {
    const what = `${container.name} ${record.at} (${run.cause}, ${run.code}): ${record.verdict}`;
    const stamped = run.end + 2 * this.#outcome.plan.slow;
    if (stamped < BEGIN - 1.1 * SECOND) this.#wrong(`${what}: history`);
    for (const kill of run.kills) this.#order(kill, record, index, what);
    const own = new Set(run.kills.map(({ id }) => id));
    const foreign = record.kills.filter((id) => !own.has(id) && !this.#isVague(id));
    if (foreign.length > 0) this.#wrong(`${what}: with ${foreign.join()}`);
    if (new Set(record.kills).size !== record.kills.length) this.#wrong(`${what}: a kill twice`);
    if (record.exitCode !== null && record.exitCode !== run.code) this.#wrong(`${what}: code`);
    if (run.end > BEGIN + SECOND * 1.2) this.#verdict(run, record, what);
  }

  /** A kill whose container and time are known belongs to its exit, and comes before it. */
  #order(kill: TrueKill, record: ExitRecord, index: number, what: string): void {
    const first = this.#outcome.lines.findIndex(
      (line) => line.kind === "kill" && line.id === kill.id,
    );
    const known = this.#evidence(kill).path === kill.container.path;
    if (known && first > index) this.#wrong(`${what}: before ${kill.id}`);
    const named = kill.container.path.includes(kill.container.id);
    if (!this.#calm || !known || !named || this.#isVague(kill.id)) return;
    const kept = record.kills.length >= 100 || record.kills.includes(kill.id);
    if (!kept) this.#wrong(`${what}: without ${kill.id}`);
  }

  #isVague(id: string): boolean {
    return this.#outcome.evidence.some(
      ({ kill, at, record }) =>
        kill.id === id && (at.uncertaintyMicroseconds > 0 || record.cgroup.path === null),
    );
  }

  #verdict(run: TrueRun, { verdict, exitCode }: ExitRecord, what: string): void {
    const certain = this.#calm && run.kills.every(({ id }) => !this.#isVague(id));
    const allowed = this.#allowed(run, exitCode, certain);
    if (!allowed.includes(verdict)) this.#wrong(`${what}: not of ${allowed.join()}`);
  }

  #allowed(run: TrueRun, exitCode: number | null, certain: boolean): readonly string[] {
    const unsure = certain && exitCode !== null ? [] : ["unknown"];
    const killed = ["oom-killed", "oom-unreported"];
    const spared = ["not-oom", "oom-stale"];
    switch (run.cause) {
      case "oom":
        return [...killed, ...unsure];
      case "own-will":
        return [...spared, "unknown"];
      case "passed-on":
        return run.kills.length > 0 ? [...killed, "unknown"] : [...spared, "unknown"];
      case "signal":
        // Shortly after the kill of a child nobody can tell.
        return this.#isNearKill(run) ? [...killed, ...spared, "unknown"] : [...spared, "unknown"];
      case "none":
        return [];
      default:
        return run.cause satisfies never;
    }
  }

  /** A kill in it, or one of which nobody knows where it was. */
  #isNearKill(run: TrueRun): boolean {
    return this.#outcome.world.kills.some((kill) => {
      const near = Math.abs(run.end - kill.at) <= 2.2 * SECOND;
      return near && (kill.run === run || this.#isVague(kill.id));
    });
  }

  #known({ container }: ExitRecord): void {
    const known = this.#outcome.world.containers.some(({ id }) => id === container.id);
    if (!known) this.#wrong(`an exit of ${container.id}, which never was`);
  }
}
