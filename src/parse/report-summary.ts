/**
 * The lines that name cgroups, as reports hold them: whole, cut, or shortened and quoted by a person.
 *
 *     oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=ja
 *     oom-kill:constraint=CONSTRAINT_MEMCG, oom_memcg=/slurm/uid_1/job_5, task=python, pid=567337
 *     oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/system.slice/a.service,task=gunicorn,pid=1932391
 *     'oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),…,task=java,pid=1337,uid=1001',
 */
import {
  CONSTRAINTS,
  parseSummary,
  parseTaskIn,
  type SummaryLine,
  type TaskInLine,
} from "./kernel-log-summary.ts";

export function parseReportSummary(text: string): SummaryLine | null {
  if (!/^oom-kill:constraint=CONSTRAINT_[A-Z]/.test(text)) return null;
  if (!WRITTEN_OUT.test(text)) return shortened(text);
  const line = parseSummary(text);
  if (line === null || line.pid !== null) return line;
  const quoted = QUOTED_END.exec(text);
  if (quoted !== null) return parseSummary(text.slice(0, quoted.index + (quoted[1] ?? "").length));
  return cut(text, line);
}

/** The kernel leaves no field out; what is missing at the end was cut. */
const WRITTEN_OUT = /^oom-kill:constraint=CONSTRAINT_[A-Z_]{1,20}(?:,n|,?\s*$)/;
/** What the string of a program's source leaves behind the line. */
const QUOTED_END =
  /(,pid=\d{1,10},uid=-?\d{1,10})(?:\\n)?["'`][)\]},;]{0,4}(?:\s+(?:#|\/\/).{0,80})?$/;
const NAME = /^oom-kill:constraint=CONSTRAINT_(NONE|CPUSET|MEMORY_POLICY|MEMCG)(?:,|\s*$)/;

/** What stands before the next key is whole. */
function cut(text: string, line: SummaryLine): SummaryLine {
  return {
    ...line,
    constraint: CONSTRAINTS[NAME.exec(text)?.[1] ?? ""] ?? null,
    limitCgroup: /,oom_memcg=(\/[^,]*),task_memcg=/.exec(text)?.[1] ?? null,
    victimCgroup: /,task_memcg=(\/[^,]*),task=/.exec(text)?.[1] ?? null,
    comm: /[, ]task=([^,]{0,15}),pid=/.exec(text)?.[1] ?? null,
    pid: whole(/[, ]task=[^,]{0,15},pid=(\d{1,10}),/.exec(text)?.[1]),
    uid: whole(/,pid=\d{1,10},uid=(\d{1,10})\s*$/.exec(text)?.[1]),
  };
}

/** Who leaves fields out does not cut the others. */
function shortened(text: string): SummaryLine {
  const fields = text
    .replace(/["'`][\s\S]{0,80}$/, "")
    .replace(/[.;)\s]{1,8}$/, "")
    .replace(/, {0,80}(?:\.\.\.|…),? {0,80}/g, ",")
    .replace(/, {1,80}/g, ",");
  return {
    kind: "summary",
    constraint: CONSTRAINTS[NAME.exec(fields)?.[1] ?? ""] ?? null,
    limitCgroup: /,oom_memcg=(\/[^,\s]*)(?:,|$)/.exec(fields)?.[1] ?? null,
    victimCgroup: /,task_memcg=(\/[^,\s]*)(?:,|$)/.exec(fields)?.[1] ?? null,
    comm: /,task=([^,]{1,15})(?:,|$)/.exec(fields)?.[1] ?? null,
    pid: whole(/,pid=(\d{1,10})(?:,|$)/.exec(fields)?.[1]),
    uid: whole(/,uid=(\d{1,10})(?:,|$)/.exec(fields)?.[1]),
  };
}

/** The cgroup whose limit was hit is the victim's or one above it: so much of the line's end is its name. */
export function parseReportTaskIn(text: string): TaskInLine | null {
  const line = parseTaskIn(text);
  if (line === null) return null;
  const { victimCgroup, limitCgroup } = line;
  const forms = [
    limitCgroup,
    limitCgroup.replace(/(?:\\n)?["'`][)\]},;]{0,4}(?:\s{1,8}#.{0,80})?$/, ""),
    limitCgroup.replace(/\s{1,8}#.{0,80}$/, ""),
    // A copy of a pager's page has blanks where a line went on.
    limitCgroup.replace(/\s+/g, ""),
  ];
  const limit = forms.find((form) =>
    `${victimCgroup}/`.startsWith(form === "/" ? form : `${form}/`),
  );
  return { ...line, limitCgroup: limit ?? limitCgroup };
}

export function whole(digits: string | undefined): number | null {
  return digits === undefined ? null : Number(digits);
}
