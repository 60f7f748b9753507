import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { dirname } from "node:path";
import { text } from "node:stream/consumers";
import { programPath } from "./cgroups.ts";
import { buildImageArchive } from "./container-image.ts";
import { command, Daemon, daemonDirectory, removeLeftovers, whyNoDaemon } from "./daemon.ts";

/** Why no Docker daemon can be started here; `null` when it can. */
export function whyNoDocker(): string | null {
  return whyNoDaemon("dockerd", "docker", "containerd", "runc");
}

/** The image with the programs that get killed: `/hog` and `/supervisor`, and nothing else. */
export const IMAGE = "oomwitness/bomb:1";

/** A Docker daemon of a test: socket, state, containerd and cgroups are its own, and go with it. */
export class LabDocker {
  readonly directory: string;
  readonly socket: string;
  /** Name of the cgroup above all its containers. */
  readonly cgroupParent: string;
  /** A containerd as the machine's own, which Docker shares; `null`: dockerd starts one for itself. */
  readonly #containerd: Daemon | null;
  readonly #daemon: Daemon;

  private constructor(shared: boolean) {
    this.directory = daemonDirectory("docker");
    this.socket = `${this.directory}/docker.sock`;
    this.cgroupParent = `oomwitness-docker-${process.pid}`;
    const containerd = `--config=${this.directory}/containerd.toml`;
    this.#containerd = shared ? new Daemon("containerd", [containerd]) : null;
    this.#daemon = new Daemon("dockerd", [
      `--host=unix://${this.socket}`,
      `--data-root=${this.directory}/data`,
      `--exec-root=${this.directory}/exec`,
      `--pidfile=${this.directory}/pid`,
      `--cgroup-parent=/${this.cgroupParent}`,
      "--bridge=none",
      "--iptables=false",
      "--ip-forward=false",
      "--live-restore",
      ...(shared ? [`--containerd=${this.directory}/containerd.sock`] : []),
    ]);
  }

  /** `shared`: on a containerd of its own process, as distributions run it, and not on one that dockerd starts. */
  static async start(shared = false): Promise<LabDocker> {
    const docker = new LabDocker(shared);
    try {
      await docker.#startContainerd();
      await docker.startDaemon();
      await docker.#importImage();
      return docker;
    } catch (error) {
      await docker.dispose();
      throw error;
    }
  }

  async #startContainerd(): Promise<void> {
    if (this.#containerd === null) return;
    const { directory, containerdSocket: socket } = this;
    const config = `version = 2
root = "${directory}/containerd"
state = "${directory}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${directory}/opt"
`;
    writeFileSync(`${directory}/containerd.toml`, config);
    await this.#containerd.start(() => command("ctr", ["--address", socket, "version"]));
  }

  startDaemon(): Promise<void> {
    return this.#daemon.start(() => this.run("version"));
  }

  /** Its containers go on (`--live-restore`), also when it is killed. */
  stopDaemon(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    return this.#daemon.stop(signal);
  }

  /** Runs the client; what it printed, without the last line end. */
  async run(...args: readonly string[]): Promise<string> {
    return (await command("docker", [`--host=unix://${this.socket}`, ...args])).trimEnd();
  }

  /** Starts a container with a limit in MiB and returns its id. `options` of `docker run`, then the program's words. */
  start(limitMib: number, options: readonly string[], words: readonly string[]): Promise<string> {
    const memory = [`--memory=${limitMib}m`, `--memory-swap=${limitMib}m`];
    return this.run("run", "--detach", "--network=none", ...memory, ...options, IMAGE, ...words);
  }

  /** The containerd that the daemon started for itself; a machine's own is usually at /run/containerd. */
  get containerdSocket(): string {
    const own = `${this.directory}/exec/containerd/containerd.sock`;
    return this.#containerd === null ? own : `${this.directory}/containerd.sock`;
  }

  /** Makes containers that are not started, several at a time: their ids. */
  async create(names: readonly string[]): Promise<string[]> {
    const ids: string[] = [];
    const left = [...names];
    const worker = async () => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) {
        ids.push(await this.#create(name));
      }
    };
    await Promise.all(Array.from({ length: 6 }, worker));
    return ids;
  }

  /** By the API: the client needs longer to start than the daemon for its work. */
  #create(name: string): Promise<string> {
    const configuration = { Image: IMAGE, Cmd: ["/hog"], HostConfig: { NetworkMode: "none" } };
    return new Promise((resolve, reject) => {
      const call = request({
        socketPath: this.socket,
        method: "POST",
        path: `/containers/create?name=${name}`,
        headers: { host: "localhost", "content-type": "application/json" },
      });
      call.on("error", reject);
      call.on("response", async (response) => {
        const answer: { Id?: string } = JSON.parse(await text(response));
        if (answer.Id === undefined) reject(new Error(JSON.stringify(answer)));
        else resolve(answer.Id);
      });
      call.end(JSON.stringify(configuration));
    });
  }

  async dispose(): Promise<void> {
    const ids = await this.run("ps", "--all", "--quiet").catch(() => "");
    for (const some of slices(ids.split("\n").filter(Boolean), 100)) {
      await this.run("rm", "--force", ...some).catch(() => undefined);
    }
    await this.#daemon.stop();
    await this.#containerd?.stop();
    const { directory, cgroupParent, containerdSocket: socket } = this;
    await removeLeftovers({ directory, socket, cgroup: `/${cgroupParent}` });
  }

  /** An image with a shell, for containers that end by their own will. */
  async importShell(): Promise<string> {
    const image = "oomwitness/shell:1";
    const archive = `${this.directory}/shell.tar`;
    buildImageArchive(archive, image, `${this.directory}/shell`);
    await this.run("load", "--input", archive);
    return image;
  }

  async #importImage(): Promise<void> {
    const directory = dirname(programPath("hog"));
    const archive = `${this.directory}/image.tar`;
    await command("tar", ["-C", directory, "-cf", archive, "hog", "supervisor"]);
    await this.run("import", archive, IMAGE);
  }
}

function slices<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}
