import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { explainText, renderKills } from "../src/browser.ts";
import { DEFAULT_LAYOUT } from "../src/explain/layout.ts";

// The worked stories of docs/stories: real kills (lab/stories.ts), told by `explain` as it would tell them at 3 a.m.

const FIXTURES = join(import.meta.dirname, "fixtures/stories");
const DOCS = join(import.meta.dirname, "../docs/stories");

interface Story {
  readonly name: string;
  readonly title: string;
  /** What really happened, which `explain` is not told. */
  readonly truth: string;
  /** What is done after reading it, without opening another tool. */
  readonly act: string;
}

const STORIES: readonly Story[] = [
  {
    name: "leaking-child",
    title: "A leak in a child under a supervisor",
    truth:
      "Fluentd's main process starts its worker (`ruby`) again each time the worker reaches the container's 96 MiB. The pod stays\n`Running`, with 0 restarts: no dashboard shows anything.",
    act: "Page whoever owns the log pipeline: it loses what the worker had buffered, every 9 seconds, and nothing else will say so. Bound\nthe buffers or raise the limit to 160Mi now; turn the group kill on, or add the check, so that the next time is seen.",
  },
  {
    name: "memory-volume",
    title: "A memory-backed volume fills up",
    truth:
      "Something writes to a volume with `medium: Memory`. First the web server dies, which holds 26 of 128 MiB and did nothing; then\nthe writer.",
    act: "Do not touch the web server's memory: delete from the volume (or delete the pod, which empties it), then give it\n`sizeLimit: 80Mi`.",
  },
  {
    name: "ancestor-limit",
    title: "The limit of a slice above the service",
    truth:
      "`import.service` may have 120 MiB and had 70; `report.service` the same and had 58. Both live in `batch.slice`, which may have 128.",
    act: "Leave `MemoryMax=` of `import.service` alone: it was not reached. Run the two one after the other, or give `batch.slice` what both\nneed.",
  },
  {
    name: "innocent-victim",
    title: "A full node and an innocent victim",
    truth:
      "An agent of the node leaks; it runs with oom_score_adj -999, so the kernel may not choose it. A web server of 9 MiB without\nrequests dies, then a database.",
    act: "Restart the agent and give its unit `MemoryMax=`. The pods that died need no larger limit: they had none to hit.",
  },
  {
    name: "group-kill",
    title: "A group kill",
    truth:
      "One query of PostgreSQL grows; the container has `memory.oom.group`, as the kubelet sets it since 1.28, and all six processes die\nas one. A counter of log lines would say seven.",
    act: "One incident, not six: lower `work_mem` for that query or raise the limit. The group kill itself did what it should.",
  },
  {
    name: "limit-lowered",
    title: "A limit lowered by a resize",
    truth: "Somebody resizes a container with a JVM of 141 MiB from 192 to 96 MiB. Nothing grew.",
    act: "Undo the resize. Then set the heap to what the smaller limit allows, and only then lower it again.",
  },
];

const logOf = (name: string) => readFileSync(join(FIXTURES, `${name}.txt`), "utf8");

function page({ name, title, truth, act }: Story): string {
  const { kills } = explainText(logOf(name));
  return `# ${title}

**What really happened.** ${truth}

**What \`oomwitness explain\` makes of [the kernel's log](../../test/fixtures/stories/${name}.txt):**

\`\`\`
${renderKills(kills, DEFAULT_LAYOUT).trimEnd()}
\`\`\`

**What the engineer on call does.** ${act}
`;
}

function index(): string {
  const rows = STORIES.map(({ name, title }) => {
    const headline = explainText(logOf(name)).kills.at(-1)?.explanation?.headline ?? "";
    return `| [${title}](${name}.md) | ${headline} |`;
  });
  return `# Six worked stories

Real kills, made in the laboratory (\`bin/node lab/stories.ts\`) on Linux 6.12 with cgroup v2, and explained from the kernel's log
alone, as the engineer on call reads it. The agent says the same of live kills, with the names of pods and containers.
\`npm run accept\` writes these pages.

| story | last kill's headline |
|---|---|
${rows.join("\n")}
`;
}

/** Pages are read as they are, so they are not named *.golden.*. */
function matches(file: string, text: string): void {
  if (process.env["OOMWITNESS_ACCEPT"] === "1") {
    mkdirSync(DOCS, { recursive: true });
    writeFileSync(file, text);
  }
  assert.ok(existsSync(file), `${file} is missing: 'npm run accept' writes it`);
  assert.equal(
    text,
    readFileSync(file, "utf8"),
    "differs: if it should, 'npm run accept' and read it",
  );
}

for (const story of STORIES) {
  test(`story: ${story.title}`, () => matches(join(DOCS, `${story.name}.md`), page(story)));
}

test("the index of the stories", () => matches(join(DOCS, "README.md"), index()));

interface Truth {
  readonly reports: readonly {
    readonly victims: readonly { readonly pid: number; readonly comm: string }[];
  }[];
}

function truthOf(name: string): Truth {
  const parsed: Truth = JSON.parse(readFileSync(join(FIXTURES, `${name}.truth.json`), "utf8"));
  return parsed;
}

test("each story names exactly those who died by their parents' word, and ranks them first", () => {
  for (const { name } of STORIES) {
    const { kills } = explainText(logOf(name));
    const died = truthOf(name).reports.flatMap(({ victims }) =>
      victims.map(({ pid, comm }) => `${comm}[${pid}]`),
    );
    const told = kills.map(({ victim }) => `${victim.comm}[${victim.pid}]`);
    assert.deepEqual(told.toSorted(), died.toSorted(), name);
    for (const { explanation } of kills) assert.equal(explanation?.rankingAgrees, true, name);
  }
});

test("a real resize by runc is told as one, with certainty", () => {
  const [kill] = explainText(logOf("runc-update")).kills;
  const lowered = kill?.explanation?.findings.find(({ rule }) => rule === "lowered");
  assert.equal(lowered?.confidence, "certain");
  assert.match(lowered?.sentence ?? "", /lowered below what was in use by runc\[193\]/);
  assert.deepEqual(
    kill?.explanation?.advice.map(({ rule }) => rule),
    ["lowered"],
  );
});

test("what each story is about is found by its rule", () => {
  const rules: Readonly<Record<string, string>> = {
    "leaking-child": "pattern",
    "memory-volume": "memory-volume",
    "ancestor-limit": "ancestor",
    "innocent-victim": "protected",
    "group-kill": "group",
    "limit-lowered": "lowered",
  };
  for (const [name, rule] of Object.entries(rules)) {
    const kills = explainText(logOf(name)).kills;
    const last = kills.findLast(({ explanation }) => explanation?.findings.length);
    assert.ok(
      last?.explanation?.findings.some((one) => one.rule === rule),
      `${name}: ${rule}`,
    );
    assert.ok(
      last?.explanation?.advice.some((one) => one.rule === rule),
      `${name}: ${rule}`,
    );
  }
});
