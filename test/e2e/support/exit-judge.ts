import type { ContainerEnd } from "../../../lab/exit-storm.ts";
import type { ExitRecord } from "../../../src/model/record.ts";
import type { Told } from "./container-agent.ts";

/** What is wrong with what was told of one container that lived once, by kind; empty when all is right. */
export function wrongWith(end: ContainerEnd, { kills, exits }: Told): string[] {
  const [exit] = exits;
  const expected = end.cause === "oom" ? 1 : 0;
  const checks: readonly (readonly [string, boolean])[] = [
    ["kills", kills.length === expected],
    ["exits", exits.length === 1],
    ["exit code", exit?.exitCode === end.exitCode],
    ["verdict", exit !== undefined && isRight(end, exit)],
    ["restarts", exit?.container.restarts === 0],
    ["name", exit?.container.name === end.name],
  ];
  return checks.flatMap(([kind, right]) => (right ? [] : [kind]));
}

function isRight({ cause, oomKilled }: ContainerEnd, { verdict }: ExitRecord): boolean {
  // containerd may have noticed what Docker's state does not say.
  if (cause === "oom")
    return verdict === "oom-killed" || (verdict === "oom-unreported" && !oomKilled);
  return verdict === (oomKilled ? "oom-stale" : "not-oom");
}
