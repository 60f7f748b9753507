import { advice, finding, type Rule, told } from "../rule.ts";

/** order=-1: somebody asked for the kill by hand; memory had not run out (facts: sysrq-f passes no order). */
export const sysrq: Rule = {
  name: "sysrq",
  tell: ({ sysrq: pressed, victim, report }) => {
    if (!pressed) return null;
    const what =
      victim === null
        ? "The OOM killer was called by hand (sysrq-f)"
        : `${victim.words} was killed by hand (sysrq-f)`;
    return told(
      [
        finding("certain", `${what}: memory had not run out.`, [
          report?.trigger?.order === -1
            ? "order=-1 in the line 'invoked oom-killer'"
            : "order=-1 in the line 'invoked oom-killer', or 'Manual OOM execution' before it",
        ]),
      ],
      [
        advice(
          "Find out who wrote 'f' to /proc/sysrq-trigger or pressed Alt-SysRq-F.",
          "No limit and no shortage was involved: changing memory settings will not prevent it.",
        ),
      ],
    );
  },
};
