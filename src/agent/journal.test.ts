import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createHost } from "../host/real.ts";
import * as evidence from "../ledger/testing.ts";
import { createStore } from "../sinks/store.ts";
import { manualClock } from "../sinks/testing/records.ts";
import { Random } from "../std/random.ts";
import { unseal } from "../std/seal.ts";
import { Journal } from "./journal.ts";
import { eachOf, restore } from "./restore.ts";
import { rig, temporary } from "./testing/rig.ts";

const { files } = createHost();

function flipBit(file: string, bit: number): void {
  const bytes = fs.readFileSync(file);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  fs.writeFileSync(file, bytes);
}

/** An agent that told five kills after its last checkpoint and was killed. */
function killedAgent(directory: string): void {
  const clock = manualClock();
  clock.advance(2_000);
  const { emit } = rig({ directory, clock });
  emit(evidence.count("node", [null, 2], 0, { baseline: true }));
  emit(evidence.kill("tracefs", 2.1, 1));
  emit(evidence.count("node", [2, 2.2], 1));
  clock.advance(6_000);
  for (let tid = 2; tid <= 5; tid += 1) emit(evidence.kill("tracefs", 8 + tid / 10, tid));
}

test("law: whichever bit of the journal flips, the other lines are used, and the bad one is kept and named", (t) => {
  const directory = temporary(t);
  killedAgent(directory);
  const file = path.join(directory, "journal.jsonl");
  const whole = fs.readFileSync(file);
  const lines = whole.toString("utf8").trimEnd().split("\n");
  assert.ok(lines.length >= 4 && lines.every((line) => unseal(line) !== null));
  const before = new Journal(files, directory).recover();
  assert.deepEqual(before.problems, []);
  const random = new Random(18);
  for (let run = 0; run < 60; run += 1) {
    fs.writeFileSync(file, whole);
    const bit = random.int(0, whole.length * 8 - 1);
    flipBit(file, bit);
    const { entries, problems } = new Journal(files, directory).recover();
    // A line break that is none any more makes one bad line of two; a new one makes two of one.
    const lost = before.entries.length - entries.length;
    assert.ok(lost >= 1 && lost <= 2, `bit ${bit}: ${lost} entries lost`);
    for (const entry of entries) {
      const same = before.entries.find(({ sequence }) => sequence === entry.sequence);
      assert.deepEqual(entry, same, `bit ${bit}: changed`);
    }
    assert.match(
      problems[0] ?? "",
      /damaged lines? in .*journal\.jsonl .*: the others are used; kept as/,
    );
    const [, aside = ""] = /kept as (\S+)/.exec(problems[0] ?? "") ?? [];
    assert.ok(fs.statSync(aside).size > 100);
    fs.rmSync(aside);
  }
});

test("a first start finds nothing lost", (t) => {
  assert.deepEqual(new Journal(files, temporary(t)).recover().problems, []);
});

test("what the journal has lost is named by its place in the stream", (t) => {
  const directory = temporary(t);
  killedAgent(directory);
  const file = path.join(directory, "journal.jsonl");
  const lines = fs.readFileSync(file, "utf8").trimEnd().split("\n");
  const all = new Journal(files, directory).recover().entries;
  lines[1] = `${lines[1]}`.replace("kill", "kilt");
  fs.writeFileSync(file, `${lines.join("\n")}\n`);
  const { entries, problems } = new Journal(files, directory).recover();
  const gone = all.filter(({ sequence }) => !entries.some((entry) => entry.sequence === sequence));
  assert.equal(gone.length, 1);
  assert.match(
    problems.join("\n"),
    new RegExp(`lost the records ${gone[0]?.sequence} of the stream`),
  );
});

test("a damaged checkpoint: the one before it and both journals say the same", (t) => {
  const directory = temporary(t);
  killedAgent(directory);
  const file = path.join(directory, "checkpoint.json");
  const known = new Journal(files, directory).recover();
  flipBit(file, 4_000);
  const recovered = new Journal(files, directory).recover();
  assert.match(
    recovered.problems.join("\n"),
    /checkpoint\.json is damaged: the one before it.*kept as/,
  );
  assert.ok(recovered.checkpoint !== null);
  const told = recovered.entries.map(({ sequence }) => sequence);
  const first = recovered.checkpoint.sequence + 1;
  const last = known.entries.at(-1)?.sequence ?? 0;
  assert.deepEqual(
    told,
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
  assert.ok(fs.existsSync(`${file}.damaged-1`) && !fs.existsSync(file));
});

test("an agent on a damaged checkpoint tells no kill a second time under another number", async (t) => {
  const [directory, clock] = [temporary(t), manualClock()];
  killedAgent(directory);
  flipBit(path.join(directory, "checkpoint.json"), 4_000);
  clock.advance(20_000);
  const store = createStore({ path: `${directory}/db`, clock, report: () => {} });
  const { pipeline, told, emit } = rig({ directory, clock, sinks: [store] });
  for (let tid = 2; tid <= 5; tid += 1) emit(evidence.kill("tracefs", 8 + tid / 10, tid));
  emit(evidence.kill("tracefs", 2.1, 1));
  emit(evidence.count("node", [8, 8.6], 5));
  const opened = told.flatMap(({ record }) =>
    record.type === "kill" && record.revision === 0 ? [record.id] : [],
  );
  assert.equal(opened.length, 5);
  assert.equal(new Set(opened).size, 5);
  clock.advance(6_000);
  assert.equal(pipeline.view.metrics().kills[0]?.value, 5);
  await pipeline.stop();
});

for (const name of ["checkpoint.json", "journal.jsonl", "checkpoint.before.json"]) {
  test(`whatever ${name} is, the agent starts`, async (t) => {
    const contents = [
      "",
      "\n",
      "null",
      "{}",
      "[]",
      '{"version":1}',
      "\0".repeat(5_000),
      "{".repeat(9),
    ];
    for (const content of [...contents, null]) {
      const [directory, clock] = [temporary(t), manualClock()];
      const file = path.join(directory, name);
      if (content === null) fs.mkdirSync(file);
      else fs.writeFileSync(file, content);
      const { pipeline, told, emit } = rig({ directory, clock });
      emit(evidence.kill("tracefs", 1, 7));
      assert.ok(told.some(({ record }) => record.type === "kill"));
      await pipeline.stop();
      assert.ok(fs.statSync(path.join(directory, "checkpoint.json")).isFile());
    }
  });
}

test("state that the books do not take is set aside as a whole, and new books begin", (t) => {
  const directory = temporary(t);
  killedAgent(directory);
  const journal = new Journal(files, directory);
  const said: string[] = [];
  const open = (state: object | null): string => {
    if (state !== null) throw new TypeError("not iterable");
    return "new books";
  };
  const { checkpoint } = journal.recover();
  assert.equal(
    restore(checkpoint, open, (error) => said.push(journal.refuse(error))),
    "new books",
  );
  assert.match(
    said.join(),
    /checkpoint\.json cannot be restored \(not iterable\): new books begin; kept as/,
  );
  assert.ok(fs.existsSync(path.join(directory, "checkpoint.json.damaged-1")));
  assert.match(eachOf([1, 2], (one) => assert.equal(one, 1)) ?? "", /^1 of 2 failed/);
});

test("files of earlier versions, without checksums, are read", (t) => {
  const directory = temporary(t);
  killedAgent(directory);
  const whole = new Journal(files, directory).recover();
  for (const name of ["checkpoint.json", "journal.jsonl"]) {
    const file = path.join(directory, name);
    const lines = fs.readFileSync(file, "utf8").trimEnd().split("\n");
    fs.writeFileSync(file, lines.map((line) => `${unseal(line)}\n`).join(""));
  }
  assert.deepEqual(new Journal(files, directory).recover(), whole);
});
