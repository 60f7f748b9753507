import { KERNEL_SOURCE_NAMES } from "../model/observation.ts";
import type { ExitRecord, KillRecord } from "../model/record.ts";
import { explainedKill } from "../sinks/store-explanation.ts";
import type { KillLookup, StoreReader } from "../sinks/store-read.ts";
import { type LineOptions, localText, paint } from "../sinks/terminal-style.ts";
import { wrapText } from "../sinks/terminal-text.ts";
import { bytesText, exitText, verdictText } from "../sinks/terminal-words.ts";
import { parseTimeBound } from "../sinks/time-bound.ts";
import { localOffsetMinutes } from "./console.ts";
import type { Context } from "./environment.ts";
import { CliError, type ExitStatus } from "./errors.ts";
import { killStory } from "./explain-page.ts";
import { flagOption, type RawOptions } from "./options.ts";
import { bootPrefix, withStore } from "./stored.ts";

/** `oomwitness show ID`: why it happened, then everything known of it. */
export async function run(
  context: Context,
  options: RawOptions,
  words: readonly string[],
): Promise<ExitStatus> {
  const { console } = context;
  const id = words[0] ?? "";
  const { record, explained, exit } = withStore(context, options, (store) => {
    const found = find(store, context, id);
    if (found.kind !== "found") throw notFound(id, found);
    const { record } = found;
    return { record, explained: explainedKill(store, record), exit: exitAfter(store, record) };
  });
  if (flagOption(options, "json")) {
    console.write(`${JSON.stringify(explained)}\n`);
    return 0;
  }
  const { colour, unicode } = console;
  const width = console.size().columns;
  const style = { colour, unicode, width, offsetMinutes: localOffsetMinutes };
  const story = killStory(explained, style);
  const lines = formatKillPage(record, exit, style);
  console.write(`${story}\n${lines.join("\n")}\n`);
  return 0;
}

/** The id as given, else as an id of this boot, which `list` prints without the boot's part. */
function find(store: StoreReader, context: Context, id: string): KillLookup {
  const given = store.kill(id);
  const boot = bootPrefix(context);
  return given.kind === "none" && boot !== null ? store.kill(boot + id) : given;
}

/** Exits that are looked through for the one that ended the run of the kill. */
const EXITS_LOOKED_AT = 1_000;
/** The runtime's clock may be behind the kernel's. */
const EARLIER_MICROSECONDS = 5_000_000;

/** How the run of the container ended in which the kill was; `null` when it did not, or nobody knows. */
export function exitAfter(store: StoreReader, kill: KillRecord): ExitRecord | null {
  if (kill.container === null) return null;
  const at = parseTimeBound(kill.at, 0);
  const since = at === null ? null : at - EARLIER_MICROSECONDS;
  const filter = { container: kill.container.id };
  const page = { since, until: null, limit: EXITS_LOOKED_AT, cursor: null, filter };
  return store.exits(page).items.find(({ kills }) => kills.includes(kill.id)) ?? null;
}

function notFound(id: string, lookup: Exclude<KillLookup, { kind: "found" }>): CliError {
  if (lookup.kind === "ambiguous") {
    const ids = lookup.ids.join(", ");
    return new CliError("E_AMBIGUOUS", `'${id}' begins more than one id, give more of it: ${ids}`);
  }
  return new CliError(
    "E_NOT_FOUND",
    `no kill has an id that begins with '${id}': see 'oomwitness list'.`,
  );
}

/** One line of the page: a name and what is known; `null` is gathered under "not known". */
type Fact = readonly [string, string | number | null];

/** The page of one kill, in groups, with what is not known at the end. */
export function formatKillPage(
  kill: KillRecord,
  exit: ExitRecord | null,
  options: LineOptions,
): readonly string[] {
  const groups: readonly (readonly [string, readonly Fact[]])[] = [
    ["Process", victimFacts(kill)],
    ["Why", whyFacts(kill)],
    ["Whose", ownerFacts(kill)],
    ["Afterwards", afterFacts(kill, exit, options)],
    ["Evidence", evidenceFacts(kill, options)],
  ];
  const unknown = groups.flatMap(([, facts]) =>
    facts.filter(([, value]) => value === null).map(([name]) => name),
  );
  const body = groups.flatMap(([title, facts]) => formatGroup(title, facts, options));
  const rest: readonly Fact[] = unknown.length > 0 ? [["fields", unknown.join(", ")]] : [];
  return [
    ...wrapText(`Kill ${kill.id}`, options.width ?? 1_000, 2, options).map((line) =>
      paint("bold", line, options),
    ),
    ...formatGroup("When", whenFacts(kill, options), options),
    ...body,
    ...formatGroup("Not known", rest, options),
  ];
}

function formatGroup(
  title: string,
  facts: readonly Fact[],
  options: LineOptions,
): readonly string[] {
  const known = facts.filter(([, value]) => value !== null);
  if (known.length === 0) return [];
  const room = Math.max(8, (options.width ?? 10_000) - NAME_WIDTH - 3);
  const lines = known.flatMap(([name, value]) =>
    wrapText(String(value), room, 0, options).map(
      (part, index) => `  ${(index === 0 ? name : "").padEnd(NAME_WIDTH)} ${part}`,
    ),
  );
  return ["", paint("bold", title, options), ...lines];
}
const NAME_WIDTH = 14;

function whenFacts(kill: KillRecord, options: LineOptions): readonly Fact[] {
  return [
    ["at", kill.at],
    ["local time", localText(kill.at, options)],
    ["node", kill.node],
    ["boot", kill.bootId],
    ["recorded", kill.recovered ? "after the fact: nobody was watching" : "as it happened"],
  ];
}

function victimFacts({ victim, outcome }: KillRecord): readonly Fact[] {
  const bytes = (value: number | null) =>
    value === null ? null : `${bytesText(value)} (${value} bytes)`;
  const tid = victim.tid === victim.pid ? [] : [["thread", victim.tid] as const];
  return [
    ["name", victim.comm],
    ["pid", victim.pid],
    ...tid,
    ["uid", victim.uid],
    ["outcome", outcome],
    ["role", victim.main === null ? null : victim.main ? "main process" : "child process"],
    ["oom_score_adj", victim.oomScoreAdj],
    ["anonymous", bytes(victim.anonRssBytes)],
    ["file", bytes(victim.fileRssBytes)],
    ["shared", bytes(victim.shmemRssBytes)],
    ["page tables", bytes(victim.pageTableBytes)],
    ["virtual", bytes(victim.totalVmBytes)],
  ];
}

function whyFacts({ limit, trigger, incident }: KillRecord): readonly Fact[] {
  const by = trigger === null ? null : `${trigger.comm ?? "?"}[${trigger.pid ?? "?"}]`;
  const constraint = limit.constraint === "none" ? "none (the node)" : limit.constraint;
  return [
    ["scope", limit.scope],
    ["constraint", constraint],
    ["limit", limit.bytes === null ? null : `${bytesText(limit.bytes)} (${limit.bytes} bytes)`],
    ["limit set on", limit.cgroup],
    ["triggered by", by],
    ["incident", incident.group ? `${incident.id}, a group kill` : incident.id],
  ];
}

function ownerFacts({ cgroup, container, pod, unit }: KillRecord): readonly Fact[] {
  const facts: Fact[] = [
    ["cgroup", cgroup.path],
    ["cgroup id", cgroup.id],
    ["hierarchy", cgroup.version === null ? null : `cgroup v${cgroup.version}`],
  ];
  if (unit !== null) facts.push(["unit", unit]);
  if (container !== null) {
    facts.push(["container", container.name], ["container id", container.id]);
    facts.push(["runtime", container.runtime], ["image", container.image]);
    facts.push(["restarts", container.restarts]);
  }
  if (pod !== null) {
    facts.push(["namespace", pod.namespace], ["pod", pod.name], ["in pod", pod.container]);
    facts.push(["owner", pod.owner === null ? null : `${pod.owner.kind}/${pod.owner.name}`]);
    facts.push(["QoS class", pod.qosClass], ["pod uid", pod.uid]);
  }
  return facts;
}

/** What became of the container; nothing outside containers. */
function afterFacts(
  { container, pod, visibility }: KillRecord,
  exit: ExitRecord | null,
  options: LineOptions,
): readonly Fact[] {
  if (container === null && pod === null) return [];
  const facts: Fact[] = [["visibility", VISIBILITY[visibility]]];
  if (exit !== null) {
    facts.push(["exit", `${exitText(exit)} at ${localText(exit.at, options) ?? exit.at}`]);
    facts.push(["verdict", verdictText(exit)]);
  }
  return facts;
}

const VISIBILITY: Readonly<Record<KillRecord["visibility"], string | null>> = {
  visible: "visible: the container's main process ended with it",
  invisible: "invisible: the container's main process lived on, so no exit and no restart tells",
  pending: "not settled yet: whether the main process outlives it shows within seconds",
  unknown: null,
};

function evidenceFacts(kill: KillRecord, options: LineOptions): readonly Fact[] {
  const absent = KERNEL_SOURCE_NAMES.filter((name) => !kill.witnesses.includes(name));
  const none = options.unicode ? "–" : "-";
  return [
    ["seen by", kill.witnesses.join(", ") || none],
    ["not seen by", absent.join(", ") || none],
    ["attribution", `${kill.attribution}: ${basisText(kill)}`],
    ["revision", kill.revision],
  ];
}

/** One sentence that says how the cgroup is known. */
function basisText({ basis, victim, incident }: KillRecord): string {
  switch (basis) {
    case "probe":
      return "the probe read the cgroup in the kernel at the moment of the kill";
    case "kernel-log":
      return "the kernel's log names the cgroup of this kill";
    case "proc":
      return "/proc named the cgroup while the process was dying";
    case "counter":
      return victim.tid === null
        ? "this cgroup's counter has one kill more than other sources saw"
        : "this cgroup's counter has a kill that no other record explains; that it was this process is inferred";
    case "neighbour":
      return incident.group
        ? "no source named the victim's own cgroup, so it is that of its group kill"
        : "no source named the victim's own cgroup, so it is that of its parent process";
    case null:
      return "no source names the cgroup, and counters do not decide it";
  }
}
