import { advice, finding, type Rule, told } from "../rule.ts";
import type { Story } from "../story.ts";
import { bytesText, percentText, quantityText, roundedUp } from "../words.ts";

const MIB = 1024 * 1024;

/**
 * tmpfs: a file in a memory-backed volume (emptyDir with medium: Memory, /dev/shm, --tmpfs) is memory that no kill frees.
 * Told from shared memory by whether processes have it mapped.
 */
export const memoryVolume: Rule = {
  name: "memory-volume",
  tell: (story) => {
    const { anatomy } = story;
    const shmem = anatomy?.shmemBytes ?? null;
    if (anatomy === null || shmem === null || story.sysrq) return null;
    // A machine has some tmpfs always.
    const share = anatomy.of === "node" ? 0.33 : 0.2;
    if (shmem < anatomy.totalBytes * share || shmem < MIB) return null;
    const mapped = mappedBytes(story);
    const largest = Math.max(0, ...story.tasks.map((task) => task.shmemRssBytes ?? 0));
    if (mapped !== null && largest > shmem / 2)
      return sharedMemory(shmem, largest, anatomy.totalBytes);
    return volume(story, shmem, mapped, anatomy.totalBytes);
  },
};

/** Shared memory in processes' own figures; `null` when the table does not split them. */
function mappedBytes({ tasks }: Story): number | null {
  if (tasks.length === 0 || tasks.every((task) => task.shmemRssBytes === null)) return null;
  return tasks.reduce((sum, task) => sum + (task.shmemRssBytes ?? 0), 0);
}

function volume(story: Story, shmem: number, mapped: number | null, total: number) {
  const unmapped = mapped !== null && mapped < shmem / 2;
  const node = story.anatomy?.of === "node";
  return told(
    [
      finding(
        unmapped ? "certain" : "likely",
        node
          ? `${bytesText(shmem)} (${percentText(shmem, total)}) of the machine are files in memory-backed volumes (tmpfs), not memory of a program.`
          : `This is a memory-backed volume: ${bytesText(shmem)} (${percentText(shmem, total)}) are files in tmpfs, not memory of a program.`,
        [
          `shmem ${shmem} bytes`,
          ...(unmapped ? [`processes have only ${bytesText(mapped)} of it mapped`] : []),
        ],
      ),
      finding(
        "certain",
        "Killing does not free it: files in memory stay until somebody deletes them or the volume goes.",
        ["tmpfs pages belong to the file, not to the process that wrote it"],
      ),
    ],
    [
      advice(
        node
          ? "Find the full tmpfs with 'df -t tmpfs' and delete from it or give it a size."
          : `Give the volume a size (emptyDir.sizeLimit, --tmpfs size=) and count it into the memory limit${sizeText(story, shmem)}; or put it on disk.`,
        node
          ? "Without a size a tmpfs may grow to half of the machine's memory."
          : "Files in it are charged as memory; in a pod they survive the restart of the container and kill it again.",
      ),
    ],
  );
}

/** ` (64Mi would leave 64Mi for programs)`: what fits beside what the programs have now, and a quarter more. */
function sizeText({ limitBytes, anatomy }: Story, shmem: number): string {
  if (limitBytes === null || anatomy === null) return "";
  const programs = roundedUp(Math.max(MIB, anatomy.totalBytes - shmem) * 1.25);
  const room = limitBytes - programs;
  // Next to nothing left for programs: they have been killed before, and what they need is not to be seen.
  if (room < 16 * MIB || shmem > anatomy.totalBytes * 0.9) return "";
  return ` (${quantityText(room)} would leave ${quantityText(programs)} for programs)`;
}

function sharedMemory(shmem: number, largest: number, total: number) {
  return told(
    [
      finding(
        "certain",
        `${bytesText(shmem)} (${percentText(shmem, total)}) is shared memory that processes have mapped; it is not page cache and cannot be dropped.`,
        [`one process alone has ${bytesText(largest)} of it mapped (rss_shmem)`],
      ),
    ],
    [
      advice(
        "Count the shared memory (shared_buffers, shm_open, mmap MAP_SHARED) into the limit.",
        "It is charged once, to whoever touched it first, and stays while anybody has it open.",
      ),
    ],
  );
}
