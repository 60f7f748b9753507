import { existsSync, rmSync, writeFileSync } from "node:fs";
import { run } from "./command.ts";
import { say } from "./print.ts";

interface SystemPackage {
  readonly name: string;
  /** What the tests do with it. */
  readonly use: string;
}

const PACKAGES: readonly SystemPackage[] = [
  { name: "gcc", use: "compiles the programs that get killed" },
  { name: "libc6-dev", use: "compiles the programs that get killed" },
  { name: "util-linux", use: "setpriv, unshare" },
  { name: "procps", use: "ps, sysctl" },
  { name: "qemu-system-x86", use: "boots the guest with cgroup v2" },
  { name: "linux-image-cloud-amd64", use: "the guest's kernel" },
  { name: "busybox-static", use: "the guest's programs" },
  { name: "cpio", use: "packs the guest's files" },
  { name: "zstd", use: "unpacks the guest's modules" },
  { name: "prometheus", use: "promtool checks the metrics" },
  { name: "mmdebstrap", use: "makes the guest with systemd and containerd" },
  { name: "e2fsprogs", use: "makes the guest with systemd and containerd" },
  { name: "tmux", use: "a terminal for the live view" },
  { name: "docker.io", use: "a Docker daemon with containers to kill in" },
  { name: "containerd", use: "a containerd with pods to kill in" },
  { name: "runc", use: "runs the containers" },
  { name: "podman", use: "a Podman service with containers to kill in" },
  { name: "chromium", use: "runs the browser entry in a real browser" },
];

/** Keeps the prometheus service from starting because its checker was installed. */
const POLICY_FILE = "/usr/sbin/policy-rc.d";

/** Installs what the tests need on Debian. What cannot be installed is said; its tests then skip with their reason. */
export async function installPackages(): Promise<void> {
  if (!existsSync("/usr/bin/apt-get") || !existsSync("/usr/bin/dpkg-query")) {
    return say("System packages: no apt-get here; tests whose programs are missing will skip.\n");
  }
  const missing = await findMissing();
  if (missing.length === 0) return say("System packages: all there.\n");
  if (process.getuid?.() !== 0) return sayMissing(missing);
  const wanted = missing.filter((item) => !wouldBootFrom(item));
  say(`Installing ${wanted.map((item) => item.name).join(", ")} with apt-get …`);
  await withoutServices(() => install(wanted.map((item) => item.name)));
}

async function findMissing(): Promise<SystemPackage[]> {
  const missing: SystemPackage[] = [];
  for (const item of PACKAGES) {
    const { output } = await run(["dpkg-query", "--status", item.name]);
    if (!output.includes("\nStatus: install ok installed\n")) missing.push(item);
  }
  return missing;
}

function sayMissing(missing: readonly SystemPackage[]): void {
  say("System packages: not root, so these are not installed, and tests that need them will skip:");
  for (const { name, use } of missing) say(`  ${name}: ${use}`);
  say("");
}

/** A machine with a boot loader would start from the guest's kernel next time: that is its owner's decision. */
function wouldBootFrom(item: SystemPackage): boolean {
  const refused = item.name.startsWith("linux-image") && existsSync("/boot/grub");
  if (refused) {
    say(`Not installing ${item.name}: this machine has a boot loader and would boot from it.`);
  }
  return refused;
}

async function install(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await aptGet(["update"]);
  if (await aptGet(["install", "-y", "--no-install-recommends", ...names])) return;
  // One package that does not exist here (another release, another architecture) must not cost the others.
  for (const name of names) await aptGet(["install", "-y", "--no-install-recommends", name]);
}

async function aptGet(args: readonly string[]): Promise<boolean> {
  const environment = { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  const result = await run(["apt-get", "-qq", ...args], { environment });
  const took = `${result.seconds.toFixed(0)} s`;
  if (result.code === 0) say(`  apt-get ${args.join(" ")}: ${took}`);
  else say(`  apt-get ${args.join(" ")} failed after ${took}:\n${result.output.slice(-1500)}`);
  return result.code === 0;
}

async function withoutServices(call: () => Promise<void>): Promise<void> {
  const ours = existsSync("/run/systemd/system") && !existsSync(POLICY_FILE);
  if (ours) writeFileSync(POLICY_FILE, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await call();
  } finally {
    if (ours) rmSync(POLICY_FILE, { force: true });
  }
  say("");
}
