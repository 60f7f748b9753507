import { SECOND } from "../src/model/time.ts";
import type { ContainersOutcome, Line } from "./containers-run.ts";
import type { Told } from "./containers-tell.ts";
import { BEGIN } from "./containers-world.ts";

/** The whole schedule as lines in the order of time, to be read by whoever looks for the mistake. */
export function narrate(outcome: ContainersOutcome): readonly string[] {
  const { plan, world, told, evidence, lines } = outcome;
  const all = [
    ...world.containers.flatMap(({ id, runs, removedAt, path }) => [
      ...runs.flatMap(({ start, end, pid, cause, code }) => [
        {
          at: start,
          what: `TRUTH ${short(id)} starts as ${pid} ${path.replaceAll(id, short(id))}`,
        },
        { at: end, what: `TRUTH ${short(id)} ends: ${cause} ${code}` },
      ]),
      { at: removedAt, what: `TRUTH ${short(id)} is removed` },
    ]),
    ...world.kills.map(({ at, id, pid, main }) => ({
      at,
      what: `TRUTH kill ${id} of ${main ? "main" : "child"} ${pid}`,
    })),
    ...plan.crashes.flatMap(({ from, to }) => [
      { at: from, what: "CRASH" },
      { at: to, what: "back" },
    ]),
    ...told.map((one) => ({ at: one.at, what: sayTold(one) })),
    ...evidence.map(({ kill, tellAt, at, record }) => ({
      at: tellAt,
      what: `evidence ${kill.id} pid ${record.victim.pid} ±${at.uncertaintyMicroseconds} ${record.cgroup.path}`,
    })),
    ...lines.map((line) => ({ at: line.now, what: sayLine(line) })),
  ];
  const sorted = all.filter(({ at }) => Number.isFinite(at)).toSorted((a, b) => a.at - b.at);
  const trouble = JSON.stringify({ ...plan, outages: undefined, crashes: undefined });
  return [
    ...sorted.map(({ at, what }) => `${((at - BEGIN) / SECOND).toFixed(4)} ${what}`),
    trouble,
  ];
}

function short(id: string): string {
  return id.slice(-4);
}

function seconds(at: number | undefined): string {
  return at === undefined ? "-" : ((at - BEGIN) / SECOND).toFixed(4);
}

function sayTold({ what }: Told): string {
  if (what.kind === "source") return `  ${what.source} ${what.up ? "up" : "DOWN"}`;
  const { observation } = what;
  const { source, at } = observation;
  const head = `  ${source} ${observation.kind} @${seconds(at.monotonicMicroseconds)}`;
  switch (observation.kind) {
    case "container": {
      const { id, mainPid, startedAt } = observation.container;
      return `${head} ${short(id)} pid ${mainPid} started ${seconds(startedAt?.monotonicMicroseconds)}`;
    }
    case "exit": {
      const { containerId, mainPid, exitCode, oomReported } = observation;
      return `${head} ${short(containerId)} pid ${mainPid} code ${exitCode} oom ${oomReported}`;
    }
    case "oom-report":
    case "gone":
      return `${head} ${short(observation.containerId)}`;
    case "list":
      return `${head} ${observation.containerIds.map(short).join()}`;
    default:
      return observation satisfies never;
  }
}

function sayLine(line: Line): string {
  if (line.kind === "exit") {
    const { at, container, verdict, kills, exitCode, revision } = line.record;
    return `OUT exit ${short(container.id)} ${line.record.id.slice(-6)} r${revision} ${at} ${exitCode} ${verdict} ${kills.join()}`;
  }
  const { container, main, visibility, pod } = line.identity;
  return `OUT kill ${line.id} ${container === null ? null : short(container.id)} ${pod?.uid ?? ""} main ${main} ${visibility}`;
}
