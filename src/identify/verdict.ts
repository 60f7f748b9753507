import type { Verdict } from "../model/record.ts";
import { type Instant, SECOND } from "../model/time.ts";
import { START_FAILED } from "./runs.ts";

/** A kill in the container during the life that ended. */
export interface OwnKill {
  readonly at: Instant;
  readonly main: boolean | null;
}

export interface ExitEvidence {
  readonly exitCode: number | null;
  /** Whether a runtime calls it an OOM kill; `null` when none said anything. */
  readonly oomReported: boolean | null;
  /** When it ended (µs, monotonic). */
  readonly end: number;
  /** Oldest first. */
  readonly kills: readonly OwnKill[];
  /**
   * Kills at that time of which nobody knows in which container they were, and whose victim may have been this main process;
   * `surely`: all other places are excluded.
   */
  readonly strays: readonly { readonly surely: boolean }[];
  /** A kill in the container a few seconds before, of which nobody knows in which life, may have been that of this main process. */
  readonly perhapsDying: boolean;
  /** The kernel's counters were read after the end, and have no kill that is not recorded. */
  readonly balanced: boolean;
}

/** A main process that ends within this after a kill did not outlive it. */
export const TOGETHER_MICROSECONDS = SECOND;

/** 128 + SIGKILL. */
const KILLED = 137;
/** What containerd says when it lost the process. */
const LOST = 255;
/** What a killed main process may be said to have ended with. */
const KILLED_CODES: readonly number[] = [KILLED, LOST, START_FAILED];
/** Whether a process that was killed can be said to have ended with this. */
export function isKilledCode(exitCode: number): boolean {
  return KILLED_CODES.includes(exitCode);
}

/** exit(0), and 128 + SIGTERM: the process ended by its own will or by request, whatever was killed before. */
const PEACEFUL: readonly (number | null)[] = [0, 143];

/** Whether memory was the reason why the main process ended; `unknown` when the evidence does not decide. */
export function verdictOf(exit: ExitEvidence): Verdict {
  const { exitCode } = exit;
  const mainKilled = exit.kills.some(({ main }) => main === true);
  if (mainKilled && (exitCode === null || isKilledCode(exitCode))) return killed(exit);
  if (exitCode === null) return "unknown";
  return exitCode === KILLED ? ofSignal(exit) : ofOwnWill(exit);
}

function killed({ oomReported }: ExitEvidence): Verdict {
  return oomReported === false ? "oom-unreported" : "oom-killed";
}

function spared({ oomReported }: ExitEvidence): Verdict {
  return oomReported === true ? "oom-stale" : "not-oom";
}

/** It ended with another code than a killed process has: what the runtime reports was somebody else's kill. */
function ofOwnWill(exit: ExitEvidence): Verdict {
  const gaveUp = !PEACEFUL.includes(exit.exitCode) && exit.kills.some((kill) => isNear(kill, exit));
  return gaveUp && exit.oomReported === true ? "unknown" : spared(exit);
}

/** 137 without a kill that is known to be of the main process. */
function ofSignal(exit: ExitEvidence): Verdict {
  const near = exit.kills.filter((kill) => isNear(kill, exit));
  if (near.length > 0) return ofNearKill(exit, near);
  if (exit.strays.length > 0) return ofStray(exit);
  const isOpen = exit.kills.some((kill) => kill.main === null && isDying(kill, exit));
  if (isOpen || exit.perhapsDying) return "unknown";
  // The runtime says that there was a kill in this life, and we know of none: the kernel's counters say who is wrong.
  if (exit.oomReported === true && exit.kills.length === 0 && !exit.balanced) return "unknown";
  return spared(exit);
}

/**
 * A kill in the container a moment before. Of a victim nobody knows it may be the main process itself; of a child, a shell
 * or a small init passes 137 on. A main process that outlived an earlier kill does not: then something else killed it.
 */
function ofNearKill(exit: ExitEvidence, near: readonly OwnKill[]): Verdict {
  const child = near.every(({ main }) => main === false);
  const outlived = exit.kills.some((kill) => !isNear(kill, exit));
  const vague = near.every(({ at }) => at.uncertaintyMicroseconds > TOGETHER_MICROSECONDS);
  if (child && outlived) return "unknown";
  if (vague && exit.oomReported !== true) return "unknown";
  return killed(exit);
}

function ofStray(exit: ExitEvidence): Verdict {
  if (exit.oomReported === true) return "oom-killed";
  return exit.strays.some(({ surely }) => surely) ? killed(exit) : "unknown";
}

/** Stamps of one moment by two clocks; an end is never stamped before it. */
const CLOCKS_MICROSECONDS = SECOND / 20;

/** On a busy machine, a process that was killed is reaped and stamped so much later: 1.2 s were seen in an emulated guest. */
const DYING_MICROSECONDS = 5 * SECOND;

/** Whether the end may be that of the victim, though it came late. */
export function isDying(
  { at }: { readonly at: Instant },
  { end }: { readonly end: number },
): boolean {
  return end - at.monotonicMicroseconds <= DYING_MICROSECONDS + at.uncertaintyMicroseconds;
}

/** Whether the kill happened within the second before the end, as far as its time is known. */
export function isNear(
  { at }: { readonly at: Instant },
  { end }: { readonly end: number },
): boolean {
  const { monotonicMicroseconds: moment, uncertaintyMicroseconds: spread } = at;
  return (
    moment <= end + spread + CLOCKS_MICROSECONDS && moment >= end - spread - TOGETHER_MICROSECONDS
  );
}
