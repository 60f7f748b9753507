import { type Anatomy, memoryParts } from "../anatomy.ts";
import { finding, type Rule, told } from "../rule.ts";
import { bytesText, percentText } from "../words.ts";

/** What the memory is made of, largest first, and whether it is page cache. */
export const anatomy: Rule = {
  name: "anatomy",
  tell: ({ anatomy: parts, sysrq }) => {
    if (parts === null || sysrq || parts.totalBytes <= 0) return null;
    const named = memoryParts(parts).parts.filter((part) => part.name !== "free");
    const first = named[0];
    if (first === undefined) return null;
    const rest = named
      .slice(1, 4)
      .filter((part) => part.bytes >= parts.totalBytes / 50)
      .map((part) => `${part.name} ${percentText(part.bytes, parts.totalBytes)}`);
    const share = percentText(first.bytes, parts.totalBytes);
    const more = rest.length === 0 ? "" : `, then ${rest.join(", ")}`;
    return told([
      finding(
        "certain",
        `${share} of ${parts.of === "node" ? "the machine" : "it"} is ${first.name} (${bytesText(first.bytes)})${more}.`,
        [named.map((part) => `${part.name} ${bytesText(part.bytes)}`).join(", ")],
      ),
      cacheSentence(parts),
    ]);
  },
};

/** The question everybody asks: could it not just have dropped caches? */
function cacheSentence(parts: Anatomy) {
  const { anonBytes, cacheBytes, totalBytes } = parts;
  if (anonBytes === null || cacheBytes === null || anonBytes < totalBytes * 0.6) return null;
  if (cacheBytes > totalBytes * 0.1) return null;
  const little = cacheBytes < totalBytes / 100;
  const could = little
    ? "next to nothing"
    : `only ${bytesText(cacheBytes)} (${percentText(cacheBytes, totalBytes)})`;
  return finding(
    "certain",
    `This is not page cache: ${could} could have been dropped; programs hold the rest.`,
    [`page cache ${cacheBytes} bytes, private memory ${anonBytes} bytes of ${totalBytes}`],
  );
}
