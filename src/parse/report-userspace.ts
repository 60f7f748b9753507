/**
 * Programs that watch memory and kill, in their own words:
 *
 *     sending SIGTERM to process 7378 uid 1000 "tail": oom_score 156, VmRSS 4962 MiB                          earlyoom
 *     Killed /user.slice/app.scope due to memory pressure for /user.slice being 62.48% > 50.00% …             systemd-oomd
 *     oomd kill: 10.00 5.00 1.00 system.slice/x.service 123456 ruleset:[…] detectorgroup:[…] killer:[…] …     oomd
 *     Sending SIGKILL to cgroup "/kubepods/burstable/pod…"                                                    Talos
 *     Eviction manager: pod is evicted successfully" pod="shop/cart-0"                                        kubelet
 *     slurmstepd: error: Detected 1 oom_kill event in StepId=77.0. Some of the step tasks have been OOM Killed.
 */
import type { UserspaceKill } from "../model/report.ts";

type Told = Omit<UserspaceKill, "at" | "line">;

const MAX_REASON_CHARACTERS = 200;
const HINT =
  /SIG(?:TERM|KILL)|due to memory (?:pressure|used)|oomd kill|evicted succ|oom.kill event|emory limit|Killing process/;

export function parseUserspaceKill(text: string): Told | null {
  if (!HINT.test(text) || text.length > 4_000) return null;
  return (
    earlyoom(text) ??
    systemdOomd(text) ??
    oomd(text) ??
    nohang(text) ??
    talos(text) ??
    kubelet(text) ??
    slurm(text)
  );
}

function told(tool: string, parts: Partial<Omit<Told, "tool">>): Told {
  const reason = parts.reason?.trim().slice(0, MAX_REASON_CHARACTERS);
  return {
    tool,
    pid: parts.pid ?? null,
    comm: parts.comm ?? null,
    cgroupPath: parts.cgroupPath ?? null,
    reason: reason === undefined || reason === "" ? null : reason,
  };
}

function earlyoom(text: string): Told | null {
  const now =
    /sending (?:SIGTERM|SIGKILL) to process (\d{1,10})(?: uid \d+)? "([^"\n]{0,64})": ([^\n]{0,200})/.exec(
      text,
    );
  if (now !== null)
    return told("earlyoom", { pid: Number(now[1]), comm: now[2] ?? null, reason: now[3] ?? null });
  const old = /earlyoom\b.{0,40}[Kk]illing process (\d{1,10})[ :]+"?([^\s"]{1,64})/.exec(text);
  return old === null ? null : told("earlyoom", { pid: Number(old[1]), comm: old[2] ?? null });
}

function systemdOomd(text: string): Told | null {
  const match = /Killed (\/\S{1,1000}) due to (memory (?:pressure|used)[^\n]{0,200})/.exec(text);
  return match === null
    ? null
    : told("systemd-oomd", { cgroupPath: match[1] ?? null, reason: match[2] ?? null });
}

function oomd(text: string): Told | null {
  const match = /oomd kill: (?:[\d.]+ ){3}(\S{1,1000}) \d+ (ruleset:\[[^\n]{0,200})/.exec(text);
  if (match === null) return null;
  const path = match[1] ?? "";
  return told("oomd", {
    cgroupPath: path.startsWith("/") ? path : `/${path}`,
    reason: match[2] ?? null,
  });
}

function nohang(text: string): Told | null {
  const match =
    /\b[Ss]ending (?:SIGTERM|SIGKILL) to (?:the victim|\S{1,64})[^\n]{0,40}?\(?[Pp][Ii][Dd]:? (\d{1,10})[,)]?(?: ?\(?([^\n();]{1,64})\)?)?/.exec(
      text,
    );
  if (match === null || !/nohang|victim/.test(text)) return null;
  return told("nohang", { pid: Number(match[1]), comm: match[2] ?? null });
}

function talos(text: string): Told | null {
  const match = /Sending SIGKILL to cgroup\W{1,20}(?:cgroup\W{1,6})?(\/?[\w./:-]{1,1000})/.exec(
    text,
  );
  if (match === null) return null;
  const path = match[1] ?? "";
  return told("talos", { cgroupPath: path.startsWith("/") ? path : `/${path}` });
}

function kubelet(text: string): Told | null {
  const match =
    /[Ee]viction manager: pod (\S{1,300} )?is evicted successfully"?(?: pod="([^"\n]{1,300})")?/.exec(
      text,
    );
  if (match === null) return null;
  return told("kubelet", { reason: `pod ${(match[2] ?? match[1] ?? "").trim()} evicted` });
}

function slurm(text: string): Told | null {
  const match =
    /(?:Detected \d+ oom.kill events? in [^\n]{0,160}|(?:Step|Job) \S{1,40} exceeded (?:job )?memory limit[^\n]{0,120}|Exceeded (?:job|step) memory limit[^\n]{0,80})/.exec(
      text,
    );
  return match === null ? null : told("slurm", { reason: match[0] });
}
