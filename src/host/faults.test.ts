import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const FAULTS = new URL("faults.ts", import.meta.url).href;

/** What a process of its own prints: the runner of tests has its own net. */
function printed(script: string): string {
  const program = `import { createFaults } from ${JSON.stringify(FAULTS)};
    import { EventEmitter } from "node:events";
    import net from "node:net";
    const faults = createFaults();
    const say = (whose) => (error) => console.log(whose, error.message.split(" ")[0]);
    ${script}`;
  const args = ["--input-type=module", "-e", program];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
  return status === 0 ? stdout : `${stderr}`;
}

test("thrown, rejected or emitted: an error goes to whoever began the work", () => {
  const said = printed(`
    faults.watch(say("program"));
    faults.within(say("docker"), () => {
      setTimeout(() => { throw new Error("thrown"); }, 1);
      setTimeout(() => new EventEmitter().emit("error", new Error("emitted")), 5);
      net.connect("/nowhere.sock");
      (async () => { await null; throw new Error("rejected"); })();
      faults.outside(() => setTimeout(() => { throw new Error("later"); }, 10));
    });
    setTimeout(() => { throw new Error("own"); }, 15);
  `);
  assert.deepEqual(said.trim().split("\n").sort(), [
    "docker connect",
    "docker emitted",
    "docker rejected",
    "docker thrown",
    "program later",
    "program own",
  ]);
});

test("without a watch it ends the process, as ever", () => {
  const script = `faults.within(say("docker"), () => Promise.reject(new Error("thrown")));`;
  assert.match(printed(script), /Error: thrown/);
});
