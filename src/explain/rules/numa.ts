import { advice, finding, type Rule, told } from "../rule.ts";
import { bytesText } from "../words.ts";

const MIB = 1024 * 1024;
/** Below this, what is free elsewhere explains nothing. */
const MUCH = 256 * MIB;

/** A shortage of some NUMA nodes only: a cpuset or a memory policy kept the process from using the others. */
export const numa: Rule = {
  name: "numa",
  tell: ({ constraint, anatomy, sysrq }) => {
    if (sysrq || (constraint !== "cpuset" && constraint !== "memory_policy")) return null;
    const free = anatomy?.freeBytes ?? null;
    const left =
      free === null || free < MUCH
        ? ""
        : `; the machine as a whole has ${bytesText(free)} free, on nodes it may not use`;
    const [what, remedy] =
      constraint === "cpuset"
        ? ["the cpuset", "Give the cpuset more memory nodes (cpuset.mems), or put less into it."]
        : [
            "a memory policy",
            "Let the policy fall back to other nodes (numactl --preferred or --interleave instead of --membind).",
          ];
    return told(
      [
        finding("certain", `Only the NUMA nodes that ${what} allows ran out${left}.`, [
          `constraint=CONSTRAINT_${constraint.toUpperCase()}`,
          ...(free === null ? [] : [`free ${free} bytes on all nodes together`]),
        ]),
      ],
      [
        advice(
          remedy,
          "The kernel kills sooner than it breaks the binding: other nodes' memory is no help.",
        ),
      ],
    );
  },
};
