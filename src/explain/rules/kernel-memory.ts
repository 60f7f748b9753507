import type { Anatomy } from "../anatomy.ts";
import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, clean, percentText } from "../words.ts";

/** A share of the kernel worth a word, and what it usually means. */
interface Kind {
  readonly what: string;
  readonly bytes: number | null;
  readonly means: string;
  readonly remedy: string;
}

/** The kernel's own memory: slab, page tables, stacks, socket buffers. */
export const kernelMemory: Rule = {
  name: "kernel-memory",
  tell: (story) => {
    const { anatomy } = story;
    if (anatomy === null || story.sysrq) return null;
    const kernel = Math.max(anatomy.kernelBytes ?? 0, anatomy.socketBytes ?? 0);
    if (kernel < anatomy.totalBytes * 0.15) return null;
    const largest = kindsOf(anatomy)
      .filter((kind) => (kind.bytes ?? 0) >= anatomy.totalBytes * 0.08)
      .toSorted((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0))[0];
    const share = percentText(kernel, anatomy.totalBytes);
    return told(
      [
        finding(
          "certain",
          `${bytesText(kernel)} (${share}) is memory of the kernel itself, which no process's size shows.`,
          [`kernel memory ${kernel} bytes of ${anatomy.totalBytes}`],
        ),
        largest === undefined
          ? null
          : finding(
              "likely",
              `Most of that is ${largest.what} (${bytesText(largest.bytes ?? 0)}): ${largest.means}.`,
              [`${largest.what} ${largest.bytes ?? 0} bytes`],
            ),
        slabs(story),
      ],
      [
        largest === undefined
          ? null
          : advice(
              largest.remedy,
              "The kernel's memory counts against the same limit, and killing frees only the victim's share.",
            ),
      ],
    );
  },
};

function kindsOf(anatomy: Anatomy): readonly Kind[] {
  return [
    {
      what: "slab that cannot be reclaimed",
      bytes: anatomy.slabUnreclaimableBytes,
      means: "open files, sockets, pipes, inotify watches, namespaces, or a leak in a driver",
      remedy: "Count open files, sockets and watches ('slabtop -sc' shows which cache grows).",
    },
    {
      what: "reclaimable slab",
      bytes: anatomy.slabReclaimableBytes,
      means: "names and inodes of very many files",
      remedy: "Look for a program that creates or walks millions of files.",
    },
    {
      what: "page tables",
      bytes: anatomy.pageTableBytes,
      means: "many processes map the same large memory, or one maps it sparsely",
      remedy:
        "Use huge pages for large shared mappings, or fewer processes (connections, workers).",
    },
    {
      what: "kernel stacks",
      bytes: anatomy.stackBytes,
      means: "thousands of threads, 16 KiB each",
      remedy: "Bound the number of threads (pids.max, thread pools).",
    },
    {
      what: "network buffers",
      bytes: anatomy.socketBytes,
      means: "connections with much unsent or unread data",
      remedy: "Bound connections and their buffers (net.ipv4.tcp_wmem, tcp_rmem), and read faster.",
    },
    {
      what: "per-CPU memory",
      bytes: anatomy.percpuBytes,
      means: "very many cgroups, BPF maps or network devices",
      remedy: "Remove cgroups, BPF maps or network devices that are no longer used.",
    },
  ];
}

/** The kernel prints its caches when they are larger than the memory of all processes. */
function slabs({ report }: Story) {
  const [first, second] = (report?.slabs ?? []).toSorted((a, b) => b.totalBytes - a.totalBytes);
  if (first === undefined) return null;
  const next =
    second === undefined ? "" : `, then ${clean(second.name)} ${bytesText(second.totalBytes)}`;
  return finding(
    "certain",
    `The largest cache of the kernel is ${clean(first.name)} with ${bytesText(first.totalBytes)}${next}.`,
    ["Unreclaimable slab info"],
  );
}
