import { unexplainedBytes } from "../anatomy.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import { bytesText, percentText } from "../words.ts";

/** Memory of the machine that is in no book the kernel prints: drivers, a balloon, a GPU, another kernel's guest. */
export const unexplained: Rule = {
  name: "unexplained",
  tell: ({ anatomy, sysrq }) => {
    if (anatomy === null || anatomy.of !== "node" || sysrq) return null;
    const rest = unexplainedBytes(anatomy);
    if (rest === null || rest < anatomy.totalBytes * 0.2) return null;
    return told(
      [
        finding(
          "likely",
          `${bytesText(rest)} (${percentText(rest, anatomy.totalBytes)}) are in no figure of the report: memory of drivers, a GPU, a balloon or a virtual machine.`,
          [
            "usable less free, processes, page cache, tmpfs, slab, page tables, stacks and huge pages",
          ],
        ),
      ],
      [
        advice(
          "Look for the owner outside the processes: balloon of the hypervisor, GPU, ZFS ARC, network driver.",
          "Killing processes does not give this memory back.",
        ),
      ],
    );
  },
};
