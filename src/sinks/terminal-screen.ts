import { unpainted } from "./terminal-style.ts";
import { textColumns } from "./terminal-text.ts";

/** Where lines go: a terminal or a pipe. Implemented at the edge (cli), faked in tests. */
export interface TerminalOutput {
  /** A terminal that can be redrawn; false on a pipe or a file. */
  readonly interactive: boolean;
  readonly colour: boolean;
  readonly unicode: boolean;
  /** Columns and rows now; `null` columns where there is no limit (pipe). */
  size(): { readonly columns: number | null; readonly rows: number };
  write(text: string): void;
  /** Calls back when the size changed; the returned function stops. */
  onResize(changed: () => void): () => void;
}

const CLEAR_LINE = "\r\x1b[2K";
const CLEAR_BELOW = "\x1b[J";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/**
 * The bottom of the terminal, redrawn in place. Settled lines scroll up and stay in the scroll-back; live ones are painted
 * over. No alternate screen: what was seen is still there after the program ends.
 */
export class Screen {
  readonly #output: TerminalOutput;
  #painted: readonly string[] = [];
  #hidden = false;

  constructor(output: TerminalOutput) {
    this.#output = output;
  }

  /** Prints `settled` for good, then `live` below them, replacing the live lines of the last call. */
  paint(settled: readonly string[], live: readonly string[]): void {
    const hide = this.#hidden ? "" : HIDE_CURSOR;
    this.#hidden = true;
    const done = settled.map((line) => `${CLEAR_LINE}${line}\r\n`).join("");
    const open = live.map((line) => `${CLEAR_LINE}${line}`).join("\r\n");
    this.#output.write(hide + this.#home() + done + open + CLEAR_BELOW);
    this.#painted = live;
  }

  /** Takes the live lines away, leaves `last` for good and gives the cursor back. */
  close(last: readonly string[]): void {
    const lines = last.map((line) => `${CLEAR_LINE}${line}\r\n`).join("");
    this.#output.write(this.#home() + lines + CLEAR_BELOW + (this.#hidden ? SHOW_CURSOR : ""));
    this.#painted = [];
    this.#hidden = false;
  }

  /**
   * Back to the first live line. A terminal that became narrower has broken the painted lines into several rows each
   * (tmux, VTE, kitty and Windows Terminal do; xterm cuts), so the rows are counted for the width of now.
   */
  #home(): string {
    const columns = this.#output.size().columns ?? Number.POSITIVE_INFINITY;
    const rows = this.#painted.reduce((sum, line) => sum + rowsOf(line, columns), 0);
    return rows > 1 ? `\r\x1b[${rows - 1}A` : "\r";
  }
}

function rowsOf(line: string, columns: number): number {
  const width = textColumns(unpainted(line), { unicode: true });
  return Math.max(1, Math.ceil(width / Math.max(1, columns)));
}
