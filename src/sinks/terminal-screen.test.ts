import assert from "node:assert/strict";
import { test } from "node:test";
import { Screen, type TerminalOutput } from "./terminal-screen.ts";

/** A small terminal: rows, a cursor, the sequences that Screen uses; everything else fails the test. */
class FakeTerminal implements TerminalOutput {
  readonly interactive = true;
  readonly colour = false;
  readonly unicode = true;
  rows: string[] = [""];
  row = 0;
  cursorHidden = false;
  columns = 80;

  size() {
    return { columns: this.columns, rows: 24 };
  }

  onResize(): () => void {
    return () => undefined;
  }

  write(text: string): void {
    const parts = text.match(/\x1b\[\??[0-9]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+/g) ?? [];
    assert.equal(parts.join(""), text, "nothing unknown was written");
    for (const part of parts) this.#take(part);
  }

  #take(part: string): void {
    const up = /^\x1b\[([0-9]+)A$/.exec(part);
    if (up !== null) this.row -= Number(up[1]);
    else if (part === "\n") this.row += 1;
    else if (part === "\x1b[2K") this.rows[this.row] = "";
    else if (part === "\x1b[J") this.rows.length = this.row + 1;
    else if (part === "\x1b[?25l" || part === "\x1b[?25h") this.cursorHidden = part.endsWith("l");
    else if (part !== "\r") this.rows[this.row] = (this.rows[this.row] ?? "") + part;
    assert.ok(this.row >= 0, "the cursor never leaves at the top");
    while (this.rows.length <= this.row) this.rows.push("");
  }
}

test("live lines are painted over, settled ones stay above", () => {
  const terminal = new FakeTerminal();
  const screen = new Screen(terminal);
  screen.paint([], ["live 1", "ledger 0"]);
  screen.paint([], ["live 1, amended", "live 2", "ledger 1"]);
  assert.deepEqual(terminal.rows, ["live 1, amended", "live 2", "ledger 1"]);
  screen.paint(["settled 1"], ["live 2", "ledger 2"]);
  assert.deepEqual(terminal.rows, ["settled 1", "live 2", "ledger 2"]);
});

test("fewer live lines leave nothing behind", () => {
  const terminal = new FakeTerminal();
  const screen = new Screen(terminal);
  screen.paint(["header"], ["a", "b", "c", "ledger"]);
  screen.paint([], ["ledger"]);
  assert.deepEqual(terminal.rows, ["header", "ledger"]);
});

test("closing leaves the last lines and gives the cursor back", () => {
  const terminal = new FakeTerminal();
  const screen = new Screen(terminal);
  screen.paint(["kill"], ["live", "ledger"]);
  assert.equal(terminal.cursorHidden, true);
  screen.close(["kill 2", "", "summary"]);
  assert.deepEqual(terminal.rows, ["kill", "kill 2", "", "summary", ""]);
  assert.equal(terminal.cursorHidden, false);
});

test("after the terminal became narrower, broken rows are painted over too", () => {
  const terminal = new FakeTerminal();
  const screen = new Screen(terminal);
  screen.paint(["header"], ["x".repeat(60), "ledger"]);
  // What tmux makes of it at 40 columns.
  terminal.rows = ["header", "x".repeat(40), "x".repeat(20), "ledger"];
  terminal.row = 3;
  terminal.columns = 40;
  screen.paint([], ["y", "ledger"]);
  assert.deepEqual(terminal.rows, ["header", "y", "ledger"]);
});
