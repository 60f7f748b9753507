import { createHost } from "../../host/real.ts";
import { createTexts } from "../../host/texts.ts";
import type { Console } from "../console.ts";
import type { Context } from "../environment.ts";

/** Parts for the tests of this folder; no program imports this file. */

export interface FakeConsole extends Console {
  readonly out: string[];
  readonly errors: string[];
}

/** A console of 80 columns, a terminal or not, whose output is kept. */
export function fakeConsole(columns: number | null = 80): FakeConsole {
  const out: string[] = [];
  const errors: string[] = [];
  return {
    out,
    errors,
    interactive: false,
    colour: false,
    unicode: true,
    size: () => ({ columns, rows: 24 }),
    write: (text) => void out.push(text),
    push: (text) => out.push(text) > 0,
    onDrain: () => undefined,
    onResize: () => () => undefined,
    error: (line) => void errors.push(line),
    progress: () => undefined,
    interrupted: new Promise(() => undefined),
    readerGone: new Promise(() => undefined),
    emptied: async () => undefined,
  };
}

/** The real machine behind a fake console. */
export function fakeContext(console: Console, env: Context["env"] = {}): Context {
  return {
    console,
    host: createHost(),
    texts: createTexts(),
    version: "0.1.0",
    pid: process.pid,
    env,
  };
}
