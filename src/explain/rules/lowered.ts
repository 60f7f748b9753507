import { loweringOf } from "../lowering.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import { bytesText, processText } from "../words.ts";

/** The limit came down to the usage, not the usage up to the limit. */
export const lowered: Rule = {
  name: "lowered",
  tell: (story) => {
    const lowering = loweringOf(story);
    if (lowering === null) return null;
    const { over, outside } = lowering;
    const { usageBytes, limitBytes, trigger } = story;
    const who = processText(trigger?.comm ?? null, trigger?.pid ?? null);
    const by = outside ? ` by ${who}, which is not one of its processes` : "";
    const above = over
      ? ` (${bytesText(usageBytes ?? 0)} were in use, ${bytesText(limitBytes ?? 0)} allowed)`
      : "";
    return told(
      [
        finding(
          over && outside ? "certain" : "likely",
          `The limit was lowered below what was in use${by}${above}.`,
          [
            ...(over ? [`usage ${usageBytes} above limit ${limitBytes} bytes`] : []),
            ...(outside
              ? [`${who} invoked the OOM killer and is not in the table of processes`]
              : []),
          ],
        ),
      ],
      [
        advice(
          "Undo the change, or shrink the program first and its limit afterwards.",
          "Nothing in it grew: the new limit alone killed it. Look for a resize (in-place pod resize, systemctl set-property, docker update) at this moment.",
        ),
      ],
    );
  },
};
