import type { Observation } from "../src/model/observation.ts";
import type { OutputRecord } from "../src/model/record.ts";
import { SECOND } from "../src/model/time.ts";
import type { Truth } from "./truth.ts";

/** One line for a person who repeats a seed; times in seconds after the agent's first start. */
export function sayTime(at: number, truth: Truth): string {
  return `${((at - truth.startsAt) / SECOND).toFixed(6)}`.padStart(11);
}

export function sayObservation(observation: Observation, truth: Truth): string {
  const { source, sequence, at } = observation;
  const when = sayTime(at.monotonicMicroseconds, truth).trim();
  const margin = at.uncertaintyMicroseconds / SECOND;
  return `${source} #${sequence} at ${when}±${margin}: ${sayEvidence(observation, truth)}`;
}

function sayEvidence(observation: Observation, truth: Truth): string {
  switch (observation.kind) {
    case "kill": {
      const { victim, cgroup, group, repeat, counted, incident } = observation;
      const words = [group ? "group" : "", repeat ? "repeat" : "", counted ? "" : "sharer"];
      const where = cgroup === null ? "?" : `${cgroup.path}#${cgroup.id ?? "?"} (${cgroup.basis})`;
      return `kill tid ${victim.tid} (${victim.comm ?? "?"}) in ${where}, incident ${incident} ${words.join(" ")}`;
    }
    case "group":
      return `group kill ${observation.incident} of ${observation.cgroup ?? "?"}, members ${observation.members?.join(" ") ?? "-"}`;
    case "skip":
      return `skip tid ${observation.tid}, incident ${observation.incident ?? "?"}`;
    case "counter": {
      const { book, oomKill, oomGroupKill, since, baseline, final } = observation;
      const which = book.kind === "node" ? "node" : `${book.path}#${book.id} ${book.extent}`;
      const from = since === null ? "?" : sayTime(since.monotonicMicroseconds, truth).trim();
      const words = [baseline ? "baseline" : "", final ? "final" : ""].join(" ");
      return `${which} = ${oomKill}, groups ${oomGroupKill ?? "-"}, since ${from} ${words}`;
    }
    case "limits":
      return `limits of ${observation.path}`;
    default:
      return observation satisfies never;
  }
}

export function sayRecord(record: OutputRecord): string {
  switch (record.type) {
    case "kill": {
      const { id, revision, victim, cgroup, attribution, incident, recovered, witnesses } = record;
      const who = victim.tid === null ? "somebody" : `tid ${victim.tid} (${victim.comm ?? "?"})`;
      const words = [incident.group ? "group" : "", recovered ? "recovered" : ""].join(" ");
      return `${id} r${revision} ${record.at}: ${who}, ${attribution} ${cgroup.path}#${cgroup.id}, incident ${incident.id} ${words} [${witnesses.join(" ")}]`;
    }
    case "ledger":
      return `ledger kernel ${record.kernel} recorded ${record.recorded} unaccounted ${record.unaccounted} unattributed ${record.unattributed}`;
    case "source":
      return `source ${record.source} ${record.state} lost ${record.lost}`;
    case "exit":
      return `exit of ${record.container.id} ${record.exitCode} ${record.verdict}`;
    case "userspace-kill":
      return `killed by ${record.tool}: ${record.pid}`;
    default:
      return record satisfies never;
  }
}

export function sayTruth(truth: Truth): string[] {
  const { kernel, incidents, phantoms, cgroups } = truth;
  const lines = [`kernel ${JSON.stringify(kernel)}`];
  for (const { path, id, group, bornAt, goneAt } of cgroups) {
    const life = [
      bornAt > 0 ? ` born ${sayTime(bornAt, truth).trim()}` : "",
      Number.isFinite(goneAt) ? ` gone ${sayTime(goneAt, truth).trim()}` : "",
    ];
    lines.push(`cgroup ${path}#${id}${group ? " oom.group" : ""}${life.join("")}`);
  }
  for (const incident of incidents) {
    const limit = incident.limit?.path ?? "the node";
    const group = incident.group === null ? "" : `, group ${incident.group.path}`;
    lines.push(`incident ${incident.number} limit of ${limit}${group}`);
    for (const kill of incident.kills) {
      const { at, tid, tgid, comm, cgroup, counted, repeatedAt } = kill;
      const twice = repeatedAt === null ? "" : `, again at ${sayTime(repeatedAt, truth).trim()}`;
      lines.push(
        `  ${sayTime(at, truth)} tid ${tid} tgid ${tgid} (${comm}) in ${cgroup.path}#${cgroup.id}${counted ? "" : " sharer"}${twice}`,
      );
    }
  }
  for (const { at, tid } of phantoms) lines.push(`phantom ${sayTime(at, truth)} tid ${tid}`);
  return lines;
}
