import { createCgroupSource } from "../sources/cgroup.ts";
import { createContainerdSource } from "../sources/containerd.ts";
import { createCriSource } from "../sources/cri.ts";
import { createDockerSource } from "../sources/docker.ts";
import { createKernelLogSource } from "../sources/kernel-log.ts";
import { createPodmanSource } from "../sources/podman.ts";
import { createProbeSource } from "../sources/probe.ts";
import type { Source, SourceOptions } from "../sources/source.ts";
import { createTracefsSource } from "../sources/tracefs.ts";
import { createVmstatSource } from "../sources/vmstat.ts";

/**
 * All sources. The counters come first: their books must be open before the first kill is told. To add a source: one file
 * on the contract in sources/source.ts, and one line here.
 */
export function createSources(options: SourceOptions): Source[] {
  return [
    createVmstatSource(options),
    createCgroupSource(options),
    createProbeSource(options),
    createTracefsSource(options),
    createKernelLogSource(options),
    createDockerSource(options),
    createPodmanSource(options),
    createContainerdSource(options),
    createCriSource(options),
  ];
}
