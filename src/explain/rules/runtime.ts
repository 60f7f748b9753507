import { isInnocent } from "../innocence.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import { runtimeOf } from "../runtimes.ts";

/** What the victim runs on, and the setting that bounds it from within. */
export const runtime: Rule = {
  name: "runtime",
  tell: (story) => {
    const { victim, limitBytes, scope, sysrq, group, report, kill } = story;
    if (victim === null || sysrq) return null;
    if (group && report !== null && kill !== null && report.kills[0] !== kill) return null;
    const known = runtimeOf(victim.comm);
    if (known === null) return null;
    const own = scope === "container" || scope === "cgroup" ? limitBytes : null;
    return told(
      [
        finding("likely", `${victim.words} looks like ${known.name}.`, [
          "by the name of its process",
        ]),
      ],
      [isInnocent(story) ? null : advice(known.setting(own), known.reason)],
    );
  },
};
