import { advice, finding, type Rule, told } from "../rule.ts";

/** vm.panic_on_oom: the machine stopped instead of killing a process. */
export const panic: Rule = {
  name: "panic",
  tell: ({ outcome, scope }) => {
    if (outcome !== "panic") return null;
    return told(
      [
        finding("certain", "The kernel panicked instead of killing a process.", [
          "Kernel panic - not syncing: out of memory",
          "vm.panic_on_oom, or no process was left that may be killed",
        ]),
      ],
      [
        advice(
          "Set vm.panic_on_oom=0 unless a reboot is what you want when memory runs out.",
          scope === "node" || scope === null
            ? "With 1 every shortage of the machine stops it; with 2 also that of one cgroup."
            : "With 2 a shortage in one cgroup stops the whole machine.",
        ),
      ],
    );
  },
};
