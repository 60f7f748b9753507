import type { Btf } from "./btf.ts";

/**
 * A kprobe that names the victim's memory cgroup at the instant of the kill, as one line for `kprobe_events`:
 *
 *     p:oomwitness/victim mark_oom_victim pid=+1336(%di):s32 … id=+96(+256(+0(+32(+2992(%di))))):u64 n0=+0(+16(…)):string …
 *
 * and what it prints (6.1; n0 is the cgroup itself, n1 its parent, "" the root, and the parent of the root is no more):
 *
 *     storm-141 [000] d..3. 9.107261: victim: (mark_oom_victim+0x0/0x110) pid=141 tgid=141 id=73 n0="c.scope" n1="podx" n2="" n3=(fault) comm="storm"
 *
 * Source: kernel/trace/trace_probe.c, include/linux/{sched,cgroup-defs,kernfs}.h.
 */
export interface ProbeVictim {
  readonly tid: number;
  readonly tgid: number;
  readonly comm: string | null;
  /** kernfs id of the cgroup = inode of its directory; `null` when it could not be read. */
  readonly cgroupId: number | null;
  /** `null` when the cgroup lies deeper than the probe reads, or a name cannot be told from the text around it. */
  readonly path: string | null;
  /** The names that could be read, the cgroup itself first. */
  readonly names: readonly string[];
}

/** trace_probe.h: MAX_ARGSTR_LEN. */
const ARGUMENT_LIMIT = 63;
/** A pod in a nested cluster lies 7 deep. */
const NAME_LIMIT = 9;
const POINTER_BYTES = 8;

export type ProbeDefinition =
  | { readonly kind: "ok"; readonly arguments: string; readonly names: number }
  | { readonly kind: "missing"; readonly what: string };

/** The arguments of the probe for the running kernel's structures. */
export function probeArguments(btf: Btf): ProbeDefinition {
  const missing: string[] = [];
  const at = (struct: string, ...members: string[]) => {
    const offsets = members.map((member) => btf.memberOffset(struct, member));
    const found = offsets.find((offset) => offset !== null);
    if (found === undefined) missing.push(`${struct}.${members[0]}`);
    return found ?? 0;
  };
  const memory = btf.enumValue("cgroup_subsys_id", "memory_cgrp_id");
  if (memory === null) return { kind: "missing", what: "enum memory_cgrp_id (CONFIG_MEMCG)" };
  const task = btf.memberOffset("pt_regs", "di") === null ? "$arg1" : "%di";
  const css = at("css_set", "subsys") + memory * POINTER_BYTES;
  const chain = [at("task_struct", "cgroups"), css, at("cgroup_subsys_state", "cgroup")];
  const node = [...chain, at("cgroup", "kn")].reduce(dereference, task);
  const name = at("kernfs_node", "name");
  // Called `__parent` since 6.15.
  const parent = at("kernfs_node", "parent", "__parent");
  const names = nameArguments(node, name, parent);
  const words = [
    `pid=+${at("task_struct", "pid")}(${task}):s32`,
    `tgid=+${at("task_struct", "tgid")}(${task}):s32`,
    `id=${dereference(node, at("kernfs_node", "id"))}:u64`,
    ...names,
    `comm=+${at("task_struct", "comm")}(${task}):string`,
  ];
  const [what] = missing;
  if (what !== undefined) return { kind: "missing", what };
  return { kind: "ok", arguments: words.join(" "), names: names.length };
}

/** As many generations as an argument has room for. */
function nameArguments(node: string, name: number, parent: number): string[] {
  const found: string[] = [];
  for (let place = node; found.length < NAME_LIMIT; place = dereference(place, parent)) {
    const argument = `${dereference(dereference(place, name), 0)}:string`;
    if (argument.length > ARGUMENT_LIMIT) break;
    found.push(`n${found.length}=${argument}`);
  }
  return found;
}

function dereference(address: string, offset: number): string {
  return `+${offset}(${address})`;
}

const VICTIM =
  /^\([^()\n]{1,200}\) pid=(-?\d{1,10}) tgid=(-?\d{1,10}) id=(\d{1,20})((?: n\d=.*)?) comm=(?:"([\s\S]{0,64})"|\(fault\))$/;
const NAMES = /^(?: n\d=(?:"[^"\n]*"|\(fault\)))*$/;
const NAME = / n(\d)=(?:"([^"\n]*)"|\(fault\))/g;

/** Reads what a probe with so many names printed after its own; `null` when it is not whole. */
export function parseProbeBody(body: string, nameCount: number): ProbeVictim | null {
  const match = VICTIM.exec(body);
  if (match === null) return null;
  const [, pid = "", tgid = "", id = "", names = "", comm] = match;
  const known = NAMES.test(names) ? readNames(names, nameCount) : [];
  const number = Number(id);
  return {
    tid: Number(pid),
    tgid: Number(tgid),
    comm: comm ?? null,
    cgroupId: number > 0 && Number.isSafeInteger(number) ? number : null,
    path: pathOf(known),
    names: known,
  };
}

/**
 * Up to the first that could not be read. The kernel prints every name once and in order; a directory called
 * `x" n1="y` makes one too many, and then none is believed.
 */
function readNames(text: string, nameCount: number): string[] {
  const found = [...text.matchAll(NAME)];
  if (found.length !== nameCount) return [];
  if (found.some((match, index) => match[1] !== String(index))) return [];
  const names = found.map((match) => match[2]);
  const end = names.indexOf(undefined);
  return names.slice(0, end < 0 ? names.length : end).map((name) => name ?? "");
}

/** The root is the one without a name; without it the path is not whole. */
function pathOf(names: readonly string[]): string | null {
  const root = names.indexOf("");
  if (root < 0) return null;
  return `/${names.slice(0, root).reverse().join("/")}`;
}
