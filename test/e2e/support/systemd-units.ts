import { execFileSync } from "node:child_process";
import { appendFileSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeOomKills } from "../../../lab/cgroups.ts";
import { say } from "./emulated.ts";
import type { UnitDeath } from "./systemd-findings.ts";

// Kills in units of systemd that are no containers, inside the guest.

const HOG = ["/usr/local/bin/hog", "--mib", "64"];
const CHILD = HOG.join(" ");
const LIMIT = ["--property=MemoryMax=15M", "--property=MemorySwapMax=0"];
const PATIENCE_MILLISECONDS = 30_000;
/** systemd hears of a kill by inotify and then ends the unit, or not. */
const CONCLUDED_MILLISECONDS = 700;
const USER = 1000;
const USER_RUNTIME = `/run/user/${USER}`;

/** All situations, one after the other; each unit has its own name. */
export async function killInUnits(): Promise<readonly UnitDeath[]> {
  return [
    await service("lab-alone", "stop", HOG),
    // A child is killed, and neither the main process nor systemd minds.
    await service("lab-family", "continue", shell(`sleep 1000 & ${CHILD}; exec sleep 1000`)),
    // A child is killed, and systemd ends the rest in good order: those are no kills of the kernel.
    await service("lab-stopped", "stop", shell(`sleep 1000 & ${CHILD}; exec sleep 1000`)),
    // systemd sets memory.oom.group, and kills the same processes itself as soon as it hears of it.
    await service("lab-group", "kill", shell(`sleep 1000 & sleep 1000 & ${CHILD}; sleep 1000`)),
    await instance(),
    await limitedSlice(),
    await userScope(),
  ];
}

function shell(script: string): string[] {
  return ["sh", "-c", script];
}

function service(name: string, policy: string, command: readonly string[]): Promise<UnitDeath> {
  const unit = `${name}.service`;
  const words = [...LIMIT, `--property=OOMPolicy=${policy}`];
  return observe(unit, `/system.slice/${unit}`, () => run([`--unit=${unit}`, ...words], command));
}

/** Instances of a template share a slice, whose name is escaped. */
function instance(): Promise<UnitDeath> {
  const unit = "lab-many@a-b.service";
  const cgroup = `/system.slice/system-lab\\x2dmany.slice/${unit}`;
  return observe(unit, cgroup, () => run([`--unit=${unit}`, ...LIMIT], HOG));
}

/** The limit is not the unit's own. */
function limitedSlice(): Promise<UnitDeath> {
  const unit = "lab-below.service";
  writeFileSync("/run/systemd/system/lab.slice", "[Slice]\nMemoryMax=15M\nMemorySwapMax=0\n");
  execFileSync("systemctl", ["daemon-reload"]);
  return observe(unit, `/lab.slice/${unit}`, () =>
    run(["--slice=lab.slice", `--unit=${unit}`], HOG),
  );
}

/** A scope made by the systemd of a user who is not root. */
async function userScope(): Promise<UnitDeath> {
  startUserManager();
  const unit = "lab-mine.scope";
  const manager = `/user.slice/user-${USER}.slice/user@${USER}.service`;
  return observe(unit, `${manager}/app.slice/${unit}`, () => {
    const words = ["--user", "--scope", "--quiet", `--unit=${unit}`, ...LIMIT, "--", ...HOG];
    const env = { ...process.env, XDG_RUNTIME_DIR: USER_RUNTIME };
    try {
      execFileSync("systemd-run", words, { uid: USER, gid: USER, env, stdio: "ignore" });
    } catch {
      // systemd-run itself has become the process that is killed.
    }
  });
}

/** Does what libpam-systemd and logind do where somebody logs in. */
function startUserManager(): void {
  appendFileSync("/etc/passwd", `lab:x:${USER}:${USER}:lab:/tmp:/bin/sh\n`);
  appendFileSync("/etc/group", `lab:x:${USER}:\n`);
  mkdirSync(USER_RUNTIME, { recursive: true, mode: 0o700 });
  chownSync(USER_RUNTIME, USER, USER);
  const folder = `/run/systemd/system/user@${USER}.service.d`;
  mkdirSync(folder, { recursive: true });
  const settings = `[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=${USER_RUNTIME}\n`;
  writeFileSync(`${folder}/lab.conf`, settings);
  execFileSync("systemctl", ["daemon-reload"]);
  execFileSync("systemctl", ["start", `user@${USER}.service`]);
}

function run(words: readonly string[], command: readonly string[]): void {
  execFileSync("systemd-run", ["--quiet", ...words, "--", ...command], { stdio: "inherit" });
}

/** Starts something and waits until the kernel has killed in it and systemd has drawn its conclusions. */
async function observe(unit: string, cgroup: string, start: () => void): Promise<UnitDeath> {
  const before = nodeOomKills() ?? 0;
  const earlier = killedPids().length;
  start();
  const mainPid = Number(property(unit, "ExecMainPID")) || null;
  for (const until = Date.now() + PATIENCE_MILLISECONDS; Date.now() < until; await sleep(50)) {
    if ((nodeOomKills() ?? 0) > before) break;
  }
  await sleep(CONCLUDED_MILLISECONDS);
  const [state, result] = [property(unit, "ActiveState"), property(unit, "Result")];
  const killed = killedPids().slice(earlier);
  say(`${unit}: ${state}, ${result}; killed ${killed.join(", ")}`);
  return { unit, cgroup, mainPid, killedPids: killed, state, result };
}

function property(unit: string, name: string): string {
  const words = ["show", unit, "--value", "--property", name];
  return execFileSync("systemctl", words, { encoding: "utf8" }).trim();
}

/** As the kernel's log has them; this line is never left out. */
function killedPids(): number[] {
  const log = execFileSync("dmesg", { encoding: "latin1", maxBuffer: 1 << 24 });
  return [...log.matchAll(/ Killed process (\d+) \(/g)].map(([, pid]) => Number(pid));
}
