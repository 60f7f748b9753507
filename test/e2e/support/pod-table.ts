import type { Judgement } from "./pod-judge.ts";

/** What containerd said beside what we said, for people. */
export function table(runtime: string, judged: Judgement): string {
  const { containers, containerdOomKilled, containerdError, containerdOther } = judged;
  const rows: readonly (readonly [string, string | number, string | number])[] = [
    ["", runtime || "containerd", "oomwitness"],
    ["containers killed by the kernel", containers, containers],
    ["told as killed for memory", containerdOomKilled, judged.recorded],
    ["missed", containerdError + containerdOther, containers - judged.recorded],
    ["with the right pod", "-", judged.rightPod],
    ["with the count of restarts", "-", judged.rightCount],
    ["as its main process, visible", "-", judged.rightVictim],
    ["with the limit that was hit", "-", judged.rightLimit],
    ["kill told before the exit", "-", judged.beforeExit],
    ["right verdict", "-", judged.rightVerdict],
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => `${row[column]}`.length)));
  const lines = rows.map(([name, theirs, ours]) => {
    const cells = [name.padEnd(widths[0] ?? 0), `${theirs}`.padStart(widths[1] ?? 0)];
    return [...cells, `${ours}`.padStart(widths[2] ?? 0)].join("  ");
  });
  return lines.join("\n");
}
