import assert from "node:assert/strict";
import { test } from "node:test";
import { MIB, node, nodeReport, report, says, stats, story } from "../testing.ts";
import { kernelMemory } from "./kernel-memory.ts";

const of = (values: Record<string, number>) =>
  says(
    kernelMemory,
    story(report({ cgroupStats: stats({ anon: 50, file: 0, shmem: 0, ...values }) })),
  );

test("the kernel's share, what most of it is, and what that means", () => {
  const { findings, confidences, evidence, advice } = of({ kernel: 45, slab_unreclaimable: 40 });
  assert.deepEqual(findings, [
    "45 MiB (45 %) is memory of the kernel itself, which no process's size shows.",
    "Most of that is slab that cannot be reclaimed (40 MiB): open files, sockets, pipes, inotify watches, namespaces, or a leak in a driver.",
  ]);
  assert.deepEqual(confidences, ["certain", "likely"]);
  assert.equal(evidence[0], "kernel memory 47185920 bytes of 104857600");
  assert.match(advice[0] ?? "", /^Count open files/);
});

test("each kind has its own meaning and remedy", () => {
  assert.match(of({ pagetables: 40 }).advice[0] ?? "", /huge pages for large shared mappings/);
  assert.match(of({ kernel_stack: 40 }).advice[0] ?? "", /number of threads/);
  assert.match(of({ sock: 40 }).advice[0] ?? "", /connections and their buffers/);
  assert.match(of({ slab_reclaimable: 40 }).advice[0] ?? "", /millions of files/);
  assert.match(of({ percpu: 40 }).advice[0] ?? "", /cgroups, BPF maps/);
});

test("the caches the kernel prints are named", () => {
  const slabs = [
    { name: "dentry", usedBytes: MIB, totalBytes: 2 * MIB },
    { name: "kmalloc-64", usedBytes: 300 * MIB, totalBytes: 310 * MIB },
  ];
  const full = nodeReport({ node: node({ slab_unreclaimable: 400 }), slabs });
  assert.equal(says(kernelMemory, story(full)).confidences[2], "certain");
  assert.equal(
    says(kernelMemory, story(full)).findings[2],
    "The largest cache of the kernel is kmalloc-64 with 310 MiB, then dentry 2 MiB.",
  );
});

test("the usual few percent are not worth a word", () => {
  assert.deepEqual(of({ kernel: 6, slab_unreclaimable: 4 }).findings, []);
});
