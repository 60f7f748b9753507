/**
 * memory.max below the usage: the kernel kills on behalf of whoever writes the limit, so the one that "invoked" it is
 * not among the processes under the limit (seen on 6.1 with `runc update`, on 6.12 and 7.2 with a shell).
 */
import type { Story } from "./story.ts";

/** Programs that write limits: runtimes, managers, and shells under an operator's fingers. */
const WRITERS =
  /^(?:runc|crun|youki|runsc|systemd|kubelet|dockerd|containerd|containerd-shim.*|conmon|podman|crio|tee|sh|bash|dash|zsh|python[\d.]*|docker-init|lxc-.*)$/;
/** What the kernel's rounding and per-CPU stocks explain. */
const TOLERANCE = 1.02;

/** Why the limit is taken to have been lowered; never neither. */
export interface Lowering {
  /** More was in use than allowed. */
  readonly over: boolean;
  /** The trigger is not one of the processes under the limit. */
  readonly outside: boolean;
}

/** `null` when nothing says that the limit was lowered. */
export function loweringOf(story: Story): Lowering | null {
  const { constraint, usageBytes, limitBytes } = story;
  if (constraint !== "memcg" || story.sysrq) return null;
  const over = usageBytes !== null && limitBytes !== null && usageBytes > limitBytes * TOLERANCE;
  const outside = triggerOutside(story);
  const writer = outside && WRITERS.test(story.trigger?.comm ?? "");
  return over || writer ? { over, outside } : null;
}

/** The table lists every process under the limit, so a trigger missing from a whole table is an outsider. */
function triggerOutside({ report, trigger, tasks }: Story): boolean {
  if (report === null || report.tasksDropped > 0 || tasks.length === 0) return false;
  const { pid = null, comm = null } = trigger ?? {};
  if (pid === null) return false;
  // A thread of a listed process has an id of its own and often its name.
  return !tasks.some((task) => task.pid === pid || task.tid === pid || task.comm === comm);
}
