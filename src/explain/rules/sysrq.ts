import { advice, finding, type Rule, told } from "../rule.ts";

/** order=-1: somebody asked for the kill by hand; memory had not run out (facts: sysrq-f passes no order). */
export const sysrq: Rule = {
  name: "sysrq",
  tell: ({ sysrq: pressed, victim }) => {
    if (!pressed) return null;
    const who = victim?.words ?? "A process";
    return told(
      [
        finding("certain", `${who} was killed by hand (sysrq-f): memory had not run out.`, [
          "order=-1 in the line 'invoked oom-killer'",
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
