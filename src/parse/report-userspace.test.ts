import assert from "node:assert/strict";
import { test } from "node:test";
import type { UserspaceKill } from "../model/report.ts";
import { ReportReader } from "./report-reader.ts";

function eventsOf(lines: readonly string[]) {
  const reader = new ReportReader();
  return [...lines.flatMap((line) => reader.push(line)), ...reader.end()];
}

/** `line: tool pid comm cgroup reason`, what is not there left out. */
function killsOf(lines: readonly string[]): readonly string[] {
  return eventsOf(lines).flatMap((event) =>
    event.kind === "userspace-kill" ? describe(event.kill) : [],
  );
}

function describe({ line, tool, pid, comm, cgroupPath, reason }: UserspaceKill): string {
  const parts = [tool, pid, comm, cgroupPath, reason].filter((part) => part !== null);
  return `${line}: ${parts.join(" ")}`;
}

test("systemd-oomd 258 marks a cgroup: one killing, however many lines tell of it", () => {
  const lines = [
    "[   77.740597] systemd-oomd[659]: Memory pressure for /system.slice is 85.03% > 80.00% for > 2s with reclaim activity",
    "[   77.749125] systemd-oomd[659]: Considered 19 cgroups for killing, top candidates were:",
    "[   77.749128] systemd-oomd[659]:         Path: /system.slice/systemd-journald.service",
    "[   77.749134] systemd-oomd[659]:                 Current Memory Usage: 55.5M",
    "[   77.749597] systemd-oomd[659]: oomd attempting to kill 407 with KILL",
    "[   77.749670] systemd-oomd[659]: Marked /system.slice/systemd-journald.service for killing due to memory pressure for /system.slice being 85.03% > 80.00% for > 2s with reclaim activity",
    "[   77.752252] systemd[1]: systemd-journald.service: systemd-oomd killed 1 process(es) in this unit.",
  ];
  assert.deepEqual(killsOf(lines), [
    "6: systemd-oomd /system.slice/systemd-journald.service memory pressure for /system.slice being 85.03% > 80.00% for > 2s with reclaim activity",
  ]);
  const swap =
    "Marked /user.slice/a.scope for killing due to memory used (16) / total (17) and swap used (8) / total (9) being more than 90.00%";
  assert.equal(killsOf([swap]).length, 1);
});

test("the manager's line may come before that of systemd-oomd, and tells of each killing where it is alone", () => {
  const unit = "app-zcode-7806.scope: systemd-oomd killed some process(es) in this unit.";
  const killed =
    "Killed /user.slice/user-1000.slice/app-zcode-7806.scope due to memory pressure for /user.slice being 82.63% > 50.00% for > 20s with reclaim activity";
  assert.equal(killsOf([unit, killed]).length, 1);
  assert.equal(killsOf([killed, unit, killed, unit]).length, 2);
  assert.equal(killsOf([unit, "an hour later", unit]).length, 2);
  assert.equal(killsOf([unit, ...Array<string>(200).fill("another line"), killed]).length, 2);
});

test("what systemd-oomd would have done is no killing", () => {
  assert.deepEqual(
    killsOf([
      "oomd dry-run: Would have tried to kill /sys/fs/cgroup/system.slice/a.service and all its descendants",
      "systemd-oomd[1]: Nothing killed when attempting to kill /system.slice/a.service",
    ]),
    [],
  );
});
