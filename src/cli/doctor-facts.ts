import { type Host, HostError } from "../host/host.ts";
import { parseMountInfo } from "../parse/mountinfo.ts";
import type { SourceOptions } from "../sources/source.ts";
import { kernelRelease } from "./environment.ts";
import { type Lock, readLock } from "./state-lock.ts";

/** One thing about this machine that decides which sources work. */
export interface EnvironmentFact {
  readonly name: string;
  /** `null` when it cannot be told from here. */
  readonly value: string | number | boolean | null;
}

/** What the machine offers, read from the places where the sources look. */
export function environmentFacts(
  host: Host,
  options: SourceOptions,
  stateDirectory: string,
): readonly EnvironmentFact[] {
  const tracefs = tracefsMount(host, options);
  const lock = readLock(host, stateDirectory);
  return [
    { name: "kernel", value: kernelRelease(host, options) },
    { name: "cgroup versions", value: cgroupVersions(host, options) },
    { name: "memory controller", value: memoryController(host, options) },
    { name: "root", value: host.uid === 0 },
    {
      name: "dmesg_restrict",
      value: numberIn(host, `${options.procRoot}/sys/kernel/dmesg_restrict`),
    },
    { name: "tracefs", value: tracefs ?? "not mounted" },
    {
      name: "kprobe_events",
      value: tracefs === null ? null : host.files.exists(`${tracefs}/kprobe_events`),
    },
    { name: "BTF", value: host.files.exists(`${options.sysRoot}/kernel/btf/vmlinux`) },
    { name: "state directory", value: stateText(host, stateDirectory) },
    { name: "agent", value: agentText(lock) },
  ];
}

function mounts(host: Host, options: SourceOptions) {
  return parseMountInfo(host.files.tryReadText(`${options.procRoot}/self/mountinfo`) ?? "");
}

function tracefsMount(host: Host, options: SourceOptions): string | null {
  const found = mounts(host, options).filter((mount) => mount.fileSystem === "tracefs");
  const own = found.find((mount) => mount.mountPoint === `${options.sysRoot}/kernel/tracing`);
  return (own ?? found[0])?.mountPoint ?? null;
}

function cgroupVersions(host: Host, options: SourceOptions): string {
  const kinds = new Set(mounts(host, options).map((mount) => mount.fileSystem));
  const versions = [kinds.has("cgroup") ? "v1" : "", kinds.has("cgroup2") ? "v2" : ""];
  return versions.filter((version) => version !== "").join(" and ") || "none mounted";
}

function memoryController(host: Host, options: SourceOptions): string {
  const all = mounts(host, options);
  if (all.some((mount) => mount.fileSystem === "cgroup" && mount.superOptions.includes("memory"))) {
    return "v1";
  }
  const unified = all.find((mount) => mount.fileSystem === "cgroup2");
  const controllers = host.files.tryReadText(`${unified?.mountPoint}/cgroup.controllers`) ?? "";
  return controllers.trim().split(" ").includes("memory") ? "v2" : "none";
}

function numberIn(host: Host, path: string): number | null {
  const text = host.files.tryReadText(path)?.trim() ?? "";
  return /^[0-9]+$/.test(text) ? Number(text) : null;
}

/** Tried, not guessed from modes: a full disk or a read-only mount shows. */
function stateText(host: Host, directory: string): string {
  const { files } = host;
  if (!files.exists(directory)) return `${directory} (not there yet: the agent makes it)`;
  const probe = `${directory}/.doctor`;
  try {
    files.replace(probe, "");
    files.remove(probe);
    return `${directory} (writable)`;
  } catch (error) {
    const code = error instanceof HostError ? error.code : "unknown";
    return `${directory} (not writable: ${code})`;
  }
}

function agentText(lock: Lock | null): string {
  return lock === null ? "not running on this state directory" : `running, pid ${lock.pid}`;
}
