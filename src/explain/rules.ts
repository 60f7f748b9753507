/** The table of rules: one a file, in the order in which a reader wants to hear them. */
import type { Rule } from "./rule.ts";
import { allocation } from "./rules/allocation.ts";
import { anatomy } from "./rules/anatomy.ts";
import { ancestor } from "./rules/ancestor.ts";
import { crowd } from "./rules/crowd.ts";
import { group } from "./rules/group.ts";
import { hugePages } from "./rules/huge-pages.ts";
import { kernelMemory } from "./rules/kernel-memory.ts";
import { limit } from "./rules/limit.ts";
import { locked } from "./rules/locked.ts";
import { lostEvidence } from "./rules/lost-evidence.ts";
import { lowered } from "./rules/lowered.ts";
import { memoryVolume } from "./rules/memory-volume.ts";
import { nodeLimit } from "./rules/node-limit.ts";
import { noneKillable } from "./rules/none-killable.ts";
import { numa } from "./rules/numa.ts";
import { pageCache } from "./rules/page-cache.ts";
import { panic } from "./rules/panic.ts";
import { pattern } from "./rules/pattern.ts";
import { protectedProcesses } from "./rules/protected.ts";
import { qos } from "./rules/qos.ts";
import { runtime } from "./rules/runtime.ts";
import { swap } from "./rules/swap.ts";
import { sysrq } from "./rules/sysrq.ts";
import { trigger } from "./rules/trigger.ts";
import { unexplained } from "./rules/unexplained.ts";
import { unknownVictim } from "./rules/unknown-victim.ts";
import { victim } from "./rules/victim.ts";
import { visibility } from "./rules/visibility.ts";

export const RULES: readonly Rule[] = [
  // What kind of event it was.
  sysrq,
  panic,
  noneKillable,
  unknownVictim,
  // What ran out, and whether that is new.
  limit,
  ancestor,
  numa,
  lowered,
  pattern,
  group,
  visibility,
  // What it was filled with.
  memoryVolume,
  anatomy,
  pageCache,
  locked,
  kernelMemory,
  hugePages,
  unexplained,
  // Who.
  crowd,
  nodeLimit,
  protectedProcesses,
  victim,
  trigger,
  runtime,
  qos,
  // The machinery.
  allocation,
  swap,
  lostEvidence,
];
