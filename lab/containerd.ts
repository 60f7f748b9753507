import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { killsPossible } from "./cgroups.ts";
import { buildImageArchive } from "./container-image.ts";
import { LabPods } from "./containerd-pods.ts";
import { processesNaming, removeCgroups, unmountBelow } from "./leftovers.ts";

const IMAGE = "oomwitness.test/box:1";
const START_MILLISECONDS = 60_000;

/** Why no containerd can be started here; `null` when it can. */
export function whyNoContainerd(): string | null {
  const possible = killsPossible();
  if (!possible.ok) return possible.reason;
  for (const program of ["containerd", "runc", "ctr"]) {
    if (!isOnPath(program)) return `${program} is not installed`;
  }
  return existsSync("/bin/busybox") ? null : "busybox-static is not installed";
}

function isOnPath(program: string): boolean {
  const folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  return folders.some((folder) => existsSync(join(folder, program)));
}

/** Who makes the cgroups: runc by itself, or systemd as scopes. */
export type CgroupDriver = "cgroupfs" | "systemd";

/** A containerd of our own, with its CRI plugin, in a temporary directory; pods use the host's network and need no CNI. */
export class LabContainerd {
  readonly directory: string;
  readonly socket: string;
  /** Cgroup of all pods, below the root of each hierarchy. */
  readonly cgroup: string;
  readonly #driver: CgroupDriver;
  #child: ChildProcess | null = null;

  constructor(driver: CgroupDriver = "cgroupfs") {
    this.#driver = driver;
    // Short: the path of a Unix socket has at most 107 characters.
    this.directory = mkdtempSync(join(tmpdir(), "oow-cd-"));
    this.socket = join(this.directory, "cd.sock");
    this.cgroup = `/oomwitness-cd-${process.pid}-${this.directory.slice(-6)}`;
  }

  static async start(driver: CgroupDriver = "cgroupfs"): Promise<LabContainerd> {
    const containerd = new LabContainerd(driver);
    try {
      writeFileSync(join(containerd.directory, "config.toml"), containerd.#config());
      await containerd.startDaemon();
      containerd.#importImage();
      return containerd;
    } catch (error) {
      await containerd.dispose();
      throw error;
    }
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** What the daemon wrote. */
  get log(): string {
    return readFileSync(this.#file("log"), "utf8").slice(-4000);
  }

  pods(): Promise<LabPods> {
    return LabPods.connect(this.socket, {
      image: IMAGE,
      cgroupParent: (uid) => this.#cgroupParent(uid),
    });
  }

  /** Name and version, as the CRI tells them. */
  async version(): Promise<string> {
    const pods = await this.pods();
    try {
      return await pods.version();
    } finally {
      pods.close();
    }
  }

  async startDaemon(): Promise<void> {
    const command = `exec containerd --config ${this.#file("config.toml")} >>${this.#file("log")} 2>&1`;
    const child = spawn("sh", ["-c", command], { stdio: "ignore" });
    this.#child = child;
    const deadline = Date.now() + START_MILLISECONDS;
    while (!(await this.#answers())) {
      if (child.exitCode !== null) throw new Error(`containerd ended: ${this.log}`);
      if (Date.now() > deadline) throw new Error(`containerd does not answer: ${this.log}`);
      await sleep(50);
    }
  }

  /** `SIGKILL` as a crash does it; the shims and containers live on. */
  async stopDaemon(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }

  /** Nothing stays: no process, mount, cgroup or file. */
  async dispose(): Promise<void> {
    await this.stopDaemon("SIGKILL");
    for (const pid of processesNaming(this.socket)) process.kill(pid, "SIGKILL");
    await removeCgroups(this.cgroup);
    unmountBelow(this.directory);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** As the kubelet names the cgroup of a burstable pod; slices of systemd have no place for a name of ours. */
  #cgroupParent(podUid: string): string {
    return this.#driver === "systemd"
      ? `kubepods-burstable-pod${podUid.replaceAll("-", "_")}.slice`
      : `${this.cgroup}/kubepods/burstable/pod${podUid}`;
  }

  /** Starts a container without the CRI, in another namespace, as `ctr` and nerdctl do. */
  runBare(name: string, command: readonly string[], limitMebibytes: number): void {
    const snapshotter = this.#snapshotter();
    this.#import("default", this.#file("box.tar"));
    const limit = String(limitMebibytes * 1024 * 1024);
    const options = ["--detach", "--snapshotter", snapshotter, "--memory-limit", limit];
    const place = ["--cgroup", `${this.cgroup}/bare/${name}`, "--runc-root", this.#file("runc")];
    this.#ctr("default", "run", ...options, ...place, IMAGE, name, ...command);
  }

  #ctr(namespace: string, ...words: readonly string[]): void {
    const where = ["--address", this.socket, "--namespace", namespace];
    execFileSync("ctr", [...where, ...words], { stdio: "pipe" });
  }

  #file(name: string): string {
    return join(this.directory, name);
  }

  async #answers(): Promise<boolean> {
    if (!existsSync(this.socket)) return false;
    const answers = this.version().then(
      () => true,
      () => false,
    );
    return Promise.race([answers, sleep(5_000).then(() => false)]);
  }

  #importImage(): void {
    const archive = this.#file("box.tar");
    buildImageArchive(archive, IMAGE, this.#file("build"));
    this.#import("k8s.io", archive);
  }

  #import(namespace: string, archive: string): void {
    const words = ["--snapshotter", this.#snapshotter(), archive];
    try {
      this.#ctr(namespace, "images", "import", ...words);
    } catch {
      // containerd 2 imports in the daemon, which does so for its own snapshotter only; 1.6 knows no `--local`.
      this.#ctr(namespace, "images", "import", "--local", ...words);
    }
  }

  /** overlayfs wants a file system below it that is not an overlay itself; `native` copies each image. */
  #snapshotter(): "overlayfs" | "native" {
    const probe = this.#file("probe");
    for (const name of ["lower", "upper", "work", "merged"]) {
      mkdirSync(join(probe, name), { recursive: true });
    }
    const options = ["lowerdir=lower", "upperdir=upper", "workdir=work"].join(",");
    try {
      const words = ["-t", "overlay", "overlay", "-o", options, "merged"];
      execFileSync("mount", words, { cwd: probe, stdio: "ignore" });
      execFileSync("umount", ["merged"], { cwd: probe, stdio: "ignore" });
      return "overlayfs";
    } catch {
      return "native";
    }
  }

  /** `restrict_oom_score_adj`: lowering it needs CAP_SYS_RESOURCE, which a container's root lacks. */
  #config(): string {
    const cri = 'plugins."io.containerd.grpc.v1.cri"';
    return `version = 2
root = "${this.#file("root")}"
state = "${this.#file("state")}"
[grpc]
  address = "${this.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${this.#file("opt")}"
[${cri}]
  sandbox_image = "${IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  [${cri}.cni]
    bin_dir = "${this.#file("cni")}"
    conf_dir = "${this.#file("cni")}"
  [${cri}.containerd]
    snapshotter = "${this.#snapshotter()}"
    default_runtime_name = "runc"
    [${cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [${cri}.containerd.runtimes.runc.options]
        SystemdCgroup = ${this.#driver === "systemd"}
        Root = "${this.#file("runc")}"
`;
  }
}
