/**
 * Programs that watch memory and kill, in their own words (format strings of their sources):
 *
 *     sending SIGTERM to process 7378 uid 1000 "tail": oom_score 156, VmRSS 4962 MiB                          earlyoom
 *     killing process 7378 "tail" with signal 15: badness 156, VmRSS 4962 MiB                                 … 1.1
 *     oomd kill: 10.00 5.00 1.00 system.slice/x.service 123456 ruleset:[…] detectorgroup:[…] killer:kill v2   oomd
 *     [talos] Sending SIGKILL to cgroup {"component": …, "cgroup": "/sys/fs/cgroup/kubepods/besteffort/pod…"} Talos
 *     "Eviction manager: pod is evicted successfully" pod="shop/cart-0"                                       kubelet
 *     slurmstepd: error: Detected 1 oom_kill event in StepId=77.0. Some of the step tasks have been OOM Killed.
 */
import { android } from "./report-userspace-android.ts";
import { Nohang } from "./report-userspace-nohang.ts";
import { SystemdOomd } from "./report-userspace-systemd.ts";
import { type Told, told } from "./report-userspace-told.ts";

const MAX_LINE_CHARACTERS = 4_000;
/** Of what was told lately, so that two lines about one kill are one. */
const KEPT = 64;
const HINT =
  /SIG(?:TERM|KILL)|due to (?:memory|swap) (?:pressure|used)|oomd kill|evicted succ|low on resource: memory|oom.kill event|emory limit|illing process|, [Nn]ame: |resourceName="|with signal|ill(?:ing)? '|the command.{0,60}: (?:p?kill|systemctl)/;

/** Reads the lines of one text; some kills are told in several lines. */
export class UserspaceKillers {
  /** What the kubelet is about to reclaim: evictions for disk space are not ours. */
  #resource: string | null = null;
  readonly #told = new Set<string>();
  readonly #nohang = new Nohang();
  readonly #systemd = new SystemdOomd();

  /** `line`: where in the text. */
  read(text: string, line: number): Told | null {
    if (text.length > MAX_LINE_CHARACTERS || !HINT.test(text)) return null;
    this.#note(text);
    const kill = this.#kill(text, line);
    return kill !== null && this.#isNew(kill) ? kill : null;
  }

  #kill(text: string, line: number): Told | null {
    return (
      earlyoom(text) ??
      this.#systemdOomd(text, line) ??
      oomd(text) ??
      android(text) ??
      this.#nohang.read(text) ??
      talos(text) ??
      this.#kubelet(text) ??
      slurm(text)
    );
  }

  #note(text: string): void {
    const resource = /resourceName="([a-z.-]{1,40})"/.exec(text)?.[1];
    if (resource !== undefined) this.#resource = resource;
  }

  #kubelet(text: string): Told | null {
    const manager =
      /(?:[Ee]viction manager: |eviction_manager\.go:\d{1,5}\]? ")pod (\S{1,300} )?is evicted successfully"?(?: pod="([^"\n]{1,300})")?/.exec(
        text,
      );
    if (manager !== null) {
      if (this.#resource !== null && !this.#resource.startsWith("memory")) return null;
      return evicted(manager[2] ?? manager[1] ?? "");
    }
    const event = /\bEvicted +pod\/(\S{1,253}) +The node was low on resource: memory/.exec(text);
    return event === null ? null : evicted(event[1] ?? "");
  }

  #systemdOomd(text: string, line: number): Told | null {
    const kill = this.#systemd.read(text, line);
    return kill === "repeated" ? null : kill;
  }

  /** Events repeat what the kubelet said of a pod. */
  #isNew({ tool, reason }: Told): boolean {
    if (tool !== "kubelet" || reason === null) return true;
    const key = reason.replace(/^pod (?:[^/\s]{1,253}\/)?/, "");
    if (this.#told.has(key)) return false;
    this.#told.add(key);
    const [oldest] = this.#told;
    if (this.#told.size > KEPT && oldest !== undefined) this.#told.delete(oldest);
    return true;
  }
}

function evicted(pod: string): Told {
  const name = pod.trim().replace(/_.*$/, "");
  return told("kubelet", { reason: name === "" ? "pod evicted" : `pod ${name} evicted` });
}

function earlyoom(text: string): Told | null {
  const now =
    /sending (?:SIGTERM|SIGKILL) to process (\d{1,10})(?: uid \d+)? "([^"\n]{0,64})": ([^\n]{0,200})/.exec(
      text,
    );
  if (now !== null)
    return told("earlyoom", { pid: Number(now[1]), comm: now[2] ?? null, reason: now[3] ?? null });
  const old =
    /\bkilling process (\d{1,10}) "([^"\n]{0,64})" with signal \d+: (badness [^\n]{0,100})/.exec(
      text,
    );
  if (old !== null)
    return told("earlyoom", { pid: Number(old[1]), comm: old[2] ?? null, reason: old[3] ?? null });
  const oldest =
    /Killing process '([^'\n]{0,64})' with signal \d+, pid: (\d{1,10}), (badness[^\n]{0,100})/.exec(
      text,
    );
  return oldest === null
    ? null
    : told("earlyoom", {
        pid: Number(oldest[2]),
        comm: oldest[1] ?? null,
        reason: oldest[3] ?? null,
      });
}

function oomd(text: string): Told | null {
  if (text.includes("killer:(dry)") || text.endsWith("(dry)")) return null;
  // The sentence in the source of a program.
  if (/"oomd kill: [^"\n]{0,1200}"[\s)}]{0,9};/.test(text)) return null;
  const restarted = /oomd kill: restarted systemd service=(\S{1,255})/.exec(text);
  if (restarted !== null) return told("oomd", { reason: restarted[0].slice("oomd kill: ".length) });
  const match = /oomd kill: (?:[\d.]{1,20} ){3}(\S{1,1000}) +\d+ ([^\n]{0,200})/.exec(text);
  return match === null
    ? null
    : told("oomd", { cgroupPath: rooted(match[1] ?? ""), reason: match[2] ?? null });
}

function talos(text: string): Told | null {
  const at = text.indexOf("Sending SIGKILL to cgroup");
  if (at < 0) return null;
  const rest = text.slice(at);
  const path =
    /"cgroup": ?"([^"\n]{1,1000})"/.exec(rest)?.[1] ??
    /to cgroup\W{1,4}([\w./:-]{1,1000})/.exec(rest)?.[1];
  return path === undefined ? null : told("talos", { cgroupPath: rooted(path) });
}

/** Below the mount of the hierarchy, as the kernel names cgroups. */
function rooted(path: string): string {
  const below = path.replace(/^\/sys\/fs\/cgroup(?=\/)/, "");
  return below.startsWith("/") ? below : `/${below}`;
}

function slurm(text: string): Told | null {
  const match =
    /(?:Detected \d+ oom.kill event(?:s|\(s\))? in [^\n]{0,160}|(?:(?:Step|Job)(?: |=|Id=)\S{1,40}|\S{1,40}) exceeded (?:job |step |virtual )?memory limit[^\n]{0,120}|Exceeded (?:job|step) memory limit[^\n]{0,80})/.exec(
      text,
    );
  return match === null ? null : told("slurm", { reason: match[0] });
}
