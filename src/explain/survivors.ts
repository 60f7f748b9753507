/** Who lives on after a kill, as far as the tables of processes tell. */
import type { TaskRow } from "../model/report.ts";
import type { Story } from "./story.ts";

/**
 * They end when their only child ends, and the container with them; the pause process of a pod ends when the pod does.
 */
const WRAPPERS =
  /^(?:pause|tini|tini-static|dumb-init|docker-init|catatonit|conmon|containerd-shim.*|sh|bash|dash|ash|su|sudo|gosu)$/;

/** Processes of the victim's table that were not killed and have work of their own, oldest first. */
export function survivorsOf({ tasks, report }: Story): readonly TaskRow[] {
  const killed = new Set(report?.kills.flatMap(({ victim }) => [victim.pid, victim.tid]));
  return tasks
    .filter((task) => !killed.has(task.pid) && !killed.has(task.tid) && !WRAPPERS.test(task.comm))
    .toSorted((a, b) => a.pid - b.pid);
}

/** The oldest process that is in the tables of this kill and of the last one of the same name in the same cgroup. */
export function livedThrough(story: Story): TaskRow | null {
  const comm = story.victim?.comm ?? null;
  const last = story.history.kills.findLast((kill) => comm !== null && kill.comm === comm);
  if (last === undefined || !last.sameCgroup) return null;
  const both = ({ pid, comm: name }: TaskRow) => last.tasks.has(`${pid}/${name}`);
  return survivorsOf(story).find(both) ?? null;
}
