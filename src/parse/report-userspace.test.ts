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

test("systemd-oomd 260 marks a cgroup: one killing, however many lines tell of it", () => {
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

test("nohang of 2019 sends instead of sending, and may run a command instead", () => {
  const sent = [
    "мая 26 23:02:22 user-VirtualBox nohang[530]: Victim VmRSS: 3268608 KiB",
    "мая 26 23:02:22 user-VirtualBox nohang[530]: Timer (value = 0.01 sec) expired; seems like the victim handles signal",
    "мая 26 23:02:22 user-VirtualBox nohang[530]: Implement a corrective action:",
    "мая 26 23:02:22 user-VirtualBox nohang[530]:   Send SIGTERM to the victim; total response time: 13246 ms",
  ];
  assert.deepEqual(killsOf(sent), ["4: nohang"]);
  const gone = "  Send SIGTERM to the victim; no such process; response time: 3 ms";
  assert.deepEqual(killsOf([gone]), []);
  const ran = [
    "Process with highest badness (found in 6 ms):",
    "  PID: 12297, Name: tail, badness: 727",
    "Execute the command(1) in Thread-1: kill -TERM 12297",
    "Implement a corrective action:",
    "  Run the command: kill -TERM 12297",
    "  Exit status: None; total response time: 7 ms",
    "The victim doesn't respond on corrective action in 0.027 sec",
  ];
  assert.deepEqual(killsOf(ran), ["3: nohang 12297 tail kill -TERM 12297"]);
  assert.equal(killsOf([...ran, ...ran]).length, 2);
  assert.deepEqual(killsOf(["Run the command: kill -9 4711", "Send SIGKILL to the victim"]), []);
  assert.deepEqual(
    killsOf(['Execute the command(2) in Thread-2: notify-send "nohang: kill -9 1"']),
    [],
  );
});

test("the words of oomd in the source of a program are no killing", () => {
  const source =
    '      "oomd kill: 10.00 60.00 600.00 Evil  1999 detector:swap,12345MB killer:Evaporate "};';
  assert.deepEqual(killsOf(["  std::string test_complex_string{", source]), []);
  const log = JSON.stringify({
    log: "oomd kill: 10.00 60.00 600.00 system.slice/x.service 1999 ruleset:[r] detectorgroup:[d] killer:k v2",
  });
  assert.deepEqual(killsOf([log]), [
    "1: oomd /system.slice/x.service ruleset:[r] detectorgroup:[d] killer:k v2",
  ]);
});

test("Android: the driver in the kernel's log, and lmkd in logcat", () => {
  const driver = [
    "root      3028  3026  122572 3956  ffffffff b6efb644 S /system/bin/bootanimation",
    "<6>lowmemorykiller: Killing 'd.play.games.ui' (2613), adj 1000,",
    "<6>   to free 20784kB on behalf of 'kswapd0' (442) because",
    "<6>   cache 32112kB is below limit 32384kB for oom_score_adj 1000",
    "<6>   Free memory is 17432kB above reserved",
    "6,2302,533604004,-;lowmemorykiller: Killing 'externalstorage' (21742), adj 1000,\\x0a   to free 27320kB on behalf of 'kswapd0' (47) because\\x0a cache 181920kB is below limit 184320kB for oom_score_adj 1000\\x0a Free memory is 1228kB above reserved",
  ];
  assert.deepEqual(killsOf(driver), [
    "2: lowmemorykiller 2613 d.play.games.ui adj 1000",
    "6: lowmemorykiller 21742 externalstorage adj 1000",
  ]);
  const logcat = [
    "10-24 14:24:26.342   710   710 I lowmemorykiller: Kill 'com.google.android.gms.unstable' (17933), uid 10446, oom_score_adj 0 to free 140528kB rss, 37404kB swap; reason: device is not responding",
    "07-31 02:28:31.588   152   152 I lowmemorykiller: Killing 'com.example' (6870), uid 10001, adj 900",
  ];
  assert.deepEqual(killsOf(logcat), [
    "1: lmkd 17933 com.google.android.gms.unstable device is not responding",
    "2: lmkd 6870 com.example adj 900",
  ]);
  const code = "\t\"lowmemorykiller: Killing 'syz-fuzzer'\",";
  assert.deepEqual(killsOf([code, "Kill 'em all (1983), uid said"]), []);
});

function problemsOf(lines: readonly string[]): readonly string[] {
  return eventsOf(lines).flatMap((event) =>
    event.kind === "problem" ? `${event.line}: ${event.sentence}` : [],
  );
}

test("the kubelet's word of a kernel kill is not passed over, and not told beside the kernel's own", () => {
  const node = [
    "Events:",
    "  Type     Reason     Age    From     Message",
    "  ----     ------     ----   ----     -------",
    "  Warning  SystemOOM  5m24s  kubelet  System OOM encountered, victim process: ld-musl-x86_64., pid: 11415",
    "  Warning  SystemOOM  5m12s  kubelet  System OOM encountered, victim process: ld-musl-x86_64., pid: 11481",
    "  Warning  SystemOOM  2m51s  kubelet  System OOM encountered, victim process: ld-musl-x86_64., pid: 11481",
  ];
  const rest = "; the kernel's own lines of it are not in the text.";
  const says = "the kubelet says that the kernel killed";
  assert.deepEqual(problemsOf(node), [
    `4: ${says} ld-musl-x86_64.[11415]${rest}`,
    `5: ${says} ld-musl-x86_64.[11481]${rest}`,
  ]);
  assert.deepEqual(killsOf(node), []);
  const json =
    '{"metadata":{"name":"node-9-134-111-70.170367988a3503e7","namespace":"default"},"reason":"SystemOOM","message":"System OOM encountered, victim process: mysqld, pid: 4020757","source":{"component":"kubelet","host":"node-9-134-111-70"},"firstTimestamp":"2022-07-20T02:09:52Z"}';
  for (const line of [json, `\tevent := \`${json}\``])
    assert.deepEqual(problemsOf([line]), [`1: ${says} mysqld[4020757]${rest}`]);
  const table = [
    "   default         Warning      node3.164b5861e041a60e                           2020-11-27T19:01:09+08:00   SystemOOM             System OOM encountered, victim process: stress, pid: 16713",
    "   default         Warning      node3.164b585b1c0c3f10                           2020-11-27T19:00:43+08:00   SystemOOM             System OOM encountered, victim process: stress, pid: 16711",
    "   default         Warning      node3.164b58660f8d4590                           2020-11-27T19:01:27+08:00   OOMKilling            Out of memory: Kill process 16711 (stress) score 205 or sacrifice child Killed process 16711 (stress), UID 0, total-vm:826516kB, anon-rss:819296kB, file-rss:0kB, shmem-rss:0kB",
  ];
  for (const lines of [table, table.toReversed()]) {
    assert.equal(problemsOf(lines).length, 1);
    assert.match(problemsOf(lines)[0] ?? "", /stress\[16713\]/);
  }
  const source = '"System OOM encountered, victim process: %s, pid: %d", name, pid)';
  assert.deepEqual(problemsOf([source]), []);
});

test("however many words of kubelets there are, each is told", () => {
  const lines = Array.from(
    { length: 1_500 },
    (_, index) => `System OOM encountered, victim process: a, pid: ${index + 1}`,
  );
  assert.equal(problemsOf(lines).length, 1_500);
});
