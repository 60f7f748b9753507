/**
 * Android's killers: the staging driver of the kernel (≤ 4.11, drivers/staging/android/lowmemorykiller.c), and lmkd, whose
 * lines carry the driver's name in logcat (system/memory/lmkd).
 *
 *     lowmemorykiller: Killing 'd.play.games.ui' (2613), adj 1000,                                       the driver
 *     lowmemorykiller: Killing 'd.play.games.ui' (2613) (tgid 2613), adj 1000,                           the driver
 *     Killing 'com.example.app' (17933), uid 10446, adj 900                                              lmkd … 9
 *     Kill 'com.example.app' (17933), uid 10446, oom_score_adj 0 to free 140528kB rss; reason: …         lmkd 10 …
 */
import { type Told, told } from "./report-userspace-told.ts";

const DRIVER =
  /lowmemorykiller: Killing '([^'\n]{1,64})' \((\d{1,10})\)(?: \(tgid \d{1,10}\))?, (adj -?\d{1,5})/;
const DAEMON =
  /\bKill(?:ing)? '([^'\n]{1,255})' \((\d{1,10})\), uid \d{1,10}, ((?:oom_score_)?adj -?\d{1,5}[^\n]{0,300})/;

export function android(text: string): Told | null {
  const daemon = DAEMON.exec(text);
  if (daemon !== null) {
    const [, comm = null, pid, words = ""] = daemon;
    const reason = /; reason: ([^\n]{1,200})/.exec(words)?.[1] ?? words;
    return told("lmkd", { pid: Number(pid), comm, reason });
  }
  const driver = DRIVER.exec(text);
  if (driver === null) return null;
  const [, comm = null, pid, reason] = driver;
  return told("lowmemorykiller", { pid: Number(pid), comm, reason: reason ?? null });
}
