import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { countText } from "../words.ts";

/** The machine stopped: vm.panic_on_oom asked for it, or nobody was left to kill. */
export const panic: Rule = {
  name: "panic",
  tell: (story) => {
    const cause = story.report?.panicCause ?? null;
    if (cause === "none-killable") return nobodyLeft(story);
    if (story.outcome !== "panic") return null;
    return told(
      [
        finding("certain", "The kernel panicked instead of killing a process.", [
          "Kernel panic - not syncing: out of memory",
          cause === "policy"
            ? "panic_on_oom is enabled"
            : "vm.panic_on_oom, or no process was left that may be killed",
        ]),
      ],
      [wanted(story)],
    );
  },
};

function wanted({ scope }: Story) {
  return advice(
    "Set vm.panic_on_oom=0 unless a reboot is what you want when memory runs out.",
    scope === "node" || scope === null
      ? "With 1 every shortage of the machine stops it; with 2 also that of one cgroup."
      : "With 2 a shortage in one cgroup stops the whole machine.",
  );
}

/** Unconditional: no setting makes the kernel go on without a victim (mm/oom_kill.c, out_of_memory). */
function nobodyLeft({ tasks }: Story) {
  const immune = tasks.filter((task) => task.oomScoreAdj === -1000).length;
  const why =
    tasks.length === 0
      ? "The kernel spares its own threads, init, and whoever has oom_score_adj -1000: nothing else was left to kill."
      : `${countText(immune, "process", "processes")} of ${tasks.length} had oom_score_adj -1000; init and the kernel's own threads are spared too.`;
  return told(
    [
      finding("certain", "The kernel panicked because there was nobody it may kill.", [
        "Kernel panic - not syncing: System is deadlocked on memory, or: no killable processes",
      ]),
      finding(tasks.length === 0 ? "likely" : "certain", why, [
        tasks.length === 0
          ? "no table of processes, or an empty one"
          : `${countText(tasks.length, "process", "processes")} in the table`,
      ]),
    ],
    [
      immune > 0 || tasks.length === 0
        ? advice(
            "Protect fewer processes with oom_score_adj -1000, and bound those that stay protected.",
            "This panic is unconditional: vm.panic_on_oom does not prevent it, somebody to kill does.",
          )
        : null,
      tasks.length === 0
        ? advice(
            "If it was while booting, give the machine more memory or a smaller kernel and initramfs.",
            "Before the first programs run there is nobody to kill.",
          )
        : null,
    ],
  );
}
