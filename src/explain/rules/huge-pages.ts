import { advice, finding, type Rule, told } from "../rule.ts";
import { bytesText, percentText } from "../words.ts";

/** Huge pages are taken from everybody at boot, whether anybody uses them or not. */
export const hugePages: Rule = {
  name: "huge-pages",
  tell: ({ anatomy, constraint, sysrq }) => {
    if (sysrq || anatomy === null || constraint === "memcg" || anatomy.hugePagesBytes === null)
      return null;
    const { hugePagesBytes, totalBytes } = anatomy;
    if (hugePagesBytes < totalBytes * 0.1) return null;
    return told(
      [
        finding(
          "certain",
          `${bytesText(hugePagesBytes)} (${percentText(hugePagesBytes, totalBytes)}) are set aside as huge pages: nobody else can use them, free or not.`,
          ["hugepages_total × hugepages_size"],
        ),
      ],
      [
        advice(
          "Reserve only as many huge pages as their user takes (vm.nr_hugepages).",
          "What is set aside is missing for everything else on the machine.",
        ),
      ],
    );
  },
};
