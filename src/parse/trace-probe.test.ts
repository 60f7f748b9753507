import assert from "node:assert/strict";
import { test } from "node:test";
import type { Btf } from "./btf.ts";
import { parseProbeBody, probeArguments } from "./trace-probe.ts";

/** Linux 6.1, Debian's cloud kernel. */
const OFFSETS: Readonly<Record<string, number>> = {
  "task_struct.pid": 2416,
  "task_struct.tgid": 2420,
  "task_struct.comm": 2976,
  "task_struct.cgroups": 3600,
  "css_set.subsys": 0,
  "cgroup_subsys_state.cgroup": 0,
  "cgroup.kn": 248,
  "kernfs_node.name": 16,
  "kernfs_node.parent": 8,
  "kernfs_node.id": 104,
  "pt_regs.di": 112,
};

function fake(offsets: Readonly<Record<string, number>>, memory: number | null = 4): Btf {
  return {
    memberOffset: (struct, member) => offsets[`${struct}.${member}`] ?? null,
    enumValue: () => memory,
  };
}

test("the probe follows the victim to its memory cgroup and its ancestors", () => {
  const definition = probeArguments(fake(OFFSETS));
  assert.ok(definition.kind === "ok");
  assert.equal(definition.names, 6);
  const words = definition.arguments.split(" ");
  assert.equal(words[2], "id=+104(+248(+0(+32(+3600(%di))))):u64");
  assert.equal(words[4], "n1=+0(+16(+8(+248(+0(+32(+3600(%di))))))):string");
  for (const word of words) assert.ok(word.slice(word.indexOf("=") + 1).length <= 63, word);
});

test("arm64 has its argument elsewhere, and 6.15 calls the parent otherwise", () => {
  const { "pt_regs.di": _, "kernfs_node.parent": parent, ...rest } = OFFSETS;
  const definition = probeArguments(fake({ ...rest, "kernfs_node.__parent": parent ?? 0 }));
  assert.ok(definition.kind === "ok");
  assert.match(definition.arguments, /^pid=\+2416\(\$arg1\):s32 /);
});

test("what the kernel lacks is named", () => {
  const { "cgroup.kn": _, ...rest } = OFFSETS;
  assert.deepEqual(probeArguments(fake(rest)), { kind: "missing", what: "cgroup.kn" });
  assert.equal(probeArguments(fake(OFFSETS, null)).kind, "missing");
});

const body = (names: readonly string[], comm = "storm", count = 6) => {
  const printed = Array.from({ length: count }, (_, index) => {
    const name = names[index];
    return ` n${index}=${name === undefined ? "(fault)" : `"${name}"`}`;
  }).join("");
  return `(mark_oom_victim+0x0/0x110) pid=141 tgid=140 id=73${printed} comm="${comm}"`;
};

test("names make the path, from the root down", () => {
  assert.deepEqual(parseProbeBody(body(["c.scope", "podx", ""]), 6), {
    tid: 141,
    tgid: 140,
    comm: "storm",
    cgroupId: 73,
    path: "/podx/c.scope",
    names: ["c.scope", "podx", ""],
  });
  assert.equal(parseProbeBody(body([""]), 6)?.path, "/");
});

test("a path deeper than the probe reads is unknown", () => {
  const deep = parseProbeBody(body(["h", "g", "f", "e", "d", "c"]), 6);
  assert.deepEqual([deep?.path, deep?.cgroupId], [null, 73]);
  assert.equal(parseProbeBody(body([]), 6)?.path, null);
});

const FORGED = [
  'fake" n1="kubepods',
  'x" n1="',
  'x" comm="y',
  '" n1="" n2=(fault) n3=(fault) n4=(fault) n5=(fault) comm="z',
  'a"b',
];
for (const name of FORGED) {
  test(`a directory called ${name} is no other directory`, () => {
    const parsed = parseProbeBody(body([name, "user", ""]), 6);
    assert.equal(parsed?.tid ?? 141, 141);
    assert.equal(parsed?.path ?? null, null);
  });
}

test("a process's name stays its name", () => {
  for (const comm of ['x" comm="y', "a\nb", '" n0="" comm="', 'n0="/"', '"']) {
    const parsed = parseProbeBody(body(["c", ""], comm), 6);
    assert.ok(parsed === null || parsed.path === null || parsed.path === "/c", comm);
  }
});

test("half a line is not whole", () => {
  const whole = body(["c.scope", "podx", ""], "a\nb");
  assert.ok(parseProbeBody(whole, 6));
  assert.equal(parseProbeBody(whole.slice(0, whole.indexOf("\n")), 6), null);
});
