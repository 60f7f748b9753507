import type { UserspaceKill } from "../model/report.ts";

/** What one line of a program tells. */
export type Told = Omit<UserspaceKill, "at" | "line">;

const MAX_REASON_CHARACTERS = 200;

export function told(tool: string, parts: Partial<Omit<Told, "tool">>): Told {
  const reason = parts.reason?.trim().slice(0, MAX_REASON_CHARACTERS);
  return {
    tool,
    pid: parts.pid ?? null,
    comm: parts.comm ?? null,
    cgroupPath: parts.cgroupPath ?? null,
    reason: reason === undefined || reason === "" ? null : reason,
  };
}
