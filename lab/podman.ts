import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { programPath } from "./cgroups.ts";
import { command, Daemon, daemonDirectory, removeLeftovers, whyNoDaemon } from "./daemon.ts";
import { IMAGE } from "./docker.ts";

/** Why Podman cannot be run here; `null` when it can. */
export function whyNoPodman(): string | null {
  return whyNoDaemon("podman", "conmon", "runc");
}

/** Lowering a limit again needs CAP_SYS_RESOURCE; locks in /dev/shm would be those of the machine's own Podman. */
const CONFIGURATION = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
lock_type = "file"
`;

/** Podman's API service for a test, rootful: socket, storage, events and cgroups are its own, and go with it. */
export class LabPodman {
  readonly directory: string;
  readonly socket: string;
  /** Name of the cgroup above all its containers. */
  readonly cgroupParent: string;
  readonly #service: Daemon;

  private constructor() {
    this.directory = daemonDirectory("podman");
    this.socket = `${this.directory}/podman.sock`;
    this.cgroupParent = `oomwitness-podman-${process.pid}`;
    const configuration = `${this.directory}/containers.conf`;
    writeFileSync(configuration, CONFIGURATION);
    this.#service = new Daemon(
      "podman",
      [
        `--root=${this.directory}/root`,
        `--runroot=${this.directory}/run`,
        `--tmpdir=${this.directory}/tmp`,
        "--storage-driver=vfs",
        "--events-backend=file",
        "--cgroup-manager=cgroupfs",
        "--runtime=runc",
        "system",
        "service",
        "--time=0",
        `unix://${this.socket}`,
      ],
      // conmon leaves a file named `oom` where it works.
      { environment: { CONTAINERS_CONF: configuration }, directory: this.directory },
    );
  }

  static async start(): Promise<LabPodman> {
    const podman = new LabPodman();
    try {
      await podman.startService();
      await podman.#importImage();
      return podman;
    } catch (error) {
      await podman.dispose();
      throw error;
    }
  }

  startService(): Promise<void> {
    return this.#service.start(() => this.run("version"));
  }

  /** Its containers go on: each has a conmon of its own. */
  stopService(signal: NodeJS.Signals): Promise<void> {
    return this.#service.stop(signal);
  }

  /** Runs the client; what it printed, without the last line end. */
  async run(...args: readonly string[]): Promise<string> {
    return (await command("podman", [`--url=unix://${this.socket}`, ...args])).trimEnd();
  }

  /** Starts a container with a limit in MiB and returns its id. `options` of `podman run`, then the program's words. */
  start(limitMib: number, options: readonly string[], words: readonly string[]): Promise<string> {
    const memory = [`--memory=${limitMib}m`, `--memory-swap=${limitMib}m`];
    const place = ["--network=none", `--cgroup-parent=/${this.cgroupParent}`];
    return this.run("run", "--detach", ...place, ...memory, ...options, IMAGE, ...words);
  }

  async dispose(): Promise<void> {
    await this.run("rm", "--all", "--force", "--time=0").catch(() => undefined);
    await this.#service.stop();
    const { directory, socket, cgroupParent } = this;
    await removeLeftovers({ directory, socket, cgroup: `/${cgroupParent}` });
  }

  async #importImage(): Promise<void> {
    const archive = `${this.directory}/image.tar`;
    const programs = dirname(programPath("hog"));
    await command("tar", ["-C", programs, "-cf", archive, "hog", "supervisor"]);
    await this.run("import", archive, IMAGE);
  }
}
