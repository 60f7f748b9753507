import type { Clock } from "../host/host.ts";
import { SOURCE_NAMES, type SourceName } from "../model/observation.ts";
import type { ExitRecord, KillRecord, OutputRecord, SourceRecord } from "../model/record.ts";
import { formatWall } from "../model/time.ts";
import type { AgentView, KillStory, Sink, StreamRecord } from "./sink.ts";
import {
  formatLine,
  formatSentence,
  incidentOf,
  isExit,
  isInvisible,
  isKill,
  isPending,
  type LineRecord,
} from "./terminal-entries.ts";
import { formatEmpty, formatHeader, formatLedger, formatSourceChange } from "./terminal-header.ts";
import { formatHeading, formatInvisible, isTelling, type Joint } from "./terminal-lines.ts";
import { Screen, type TerminalOutput } from "./terminal-screen.ts";
import { StoryLines } from "./terminal-stories.ts";
import type { LineOptions } from "./terminal-style.ts";
import { shortenEnd, wrapText } from "./terminal-text.ts";

/** What the view needs beside the records. */
export interface TerminalOptions {
  readonly output: TerminalOutput;
  readonly clock: Clock;
  readonly view: AgentView;
  /** Kernel release, as `uname -r` prints it. */
  readonly kernel: string;
  readonly offsetMinutes: LineOptions["offsetMinutes"];
  /** What a source says of how it works here, or "". */
  note(source: SourceName): string;
  /** Lines below the header, for instance where the agent listens; `null` while they are not known yet. */
  notes(): readonly string[] | null;
  /** A table below a heading for people who watch; sentences, with the id of each kill, for a log. */
  readonly style: "table" | "log";
}

export interface TerminalSink extends Sink {
  /** Prints a sentence for the operator among the kills. */
  say(sentence: string): void;
  /** Prints nothing any more, not even a summary: the program could not start. */
  silence(): void;
}

/** A kill is printed for good at the earliest this long after it was opened: the other witnesses have usually spoken by then. */
export const PLAIN_SETTLE_MILLISECONDS = 120;
/** On a terminal a line is amended in place until it was left alone for so long. */
export const LIVE_SETTLE_MILLISECONDS = 3_000;
/** A kill of which it is not known yet whether the main process outlives it waits so long: that takes 3 s, while all are heard. */
export const PENDING_SETTLE_MILLISECONDS = 6_000;
/** A source that has not reported by then is left out of the header. */
const HEADER_PATIENCE_MILLISECONDS = 2_000;
/** At most 25 paints a second, however many records come. */
const PAINT_MILLISECONDS = 40;
/** How often to look whether the sources have spoken, and which lines have settled. */
const WAITING_MILLISECONDS = 100;
const LIVE_LINES = 12;
/** Rows kept free of kill lines: the ledger line and what the shell had above. */
const SPARE_ROWS = 4;
const PENDING_LIMIT = 1_000;

interface Line {
  record: LineRecord;
  /** CLOCK_MONOTONIC, ms. */
  readonly openedAt: number;
  changedAt: number;
}

/**
 * The view for people. On a terminal: settled lines scroll up, the last ones and the ledger line are redrawn in place. On a
 * pipe: one plain line a kill, printed once, `PLAIN_SETTLE_MILLISECONDS` after it was opened; later amendments are not repeated,
 * but that a kill was invisible, which is known only after seconds, is one more line.
 */
export function createTerminal(options: TerminalOptions): TerminalSink {
  return new TerminalView(options);
}

class TerminalView implements TerminalSink {
  readonly name = "terminal";
  readonly #options: TerminalOptions;
  readonly #screen: Screen;
  readonly #startedAt: number;
  readonly #startedWall: string;
  readonly #states = new Map<SourceName, SourceRecord>();
  #lines: Line[] = [];
  /** Lines ready to be printed for good. */
  #settled: string[] = [];
  #opened = 0;
  /** Kills from before the start. */
  #recovered = 0;
  #invisible = 0;
  /** Kills whose line was printed for good before it was known whether the main process outlived them. */
  readonly #awaited = new Set<string>();
  readonly #stories = new StoryLines();
  #headed = false;
  #livePainted = "";
  #lastIncident: string | null = null;
  #cancelPaint: (() => void) | null = null;
  #paintAt = 0;
  readonly #stopResize: () => void;
  #closed = false;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#screen = new Screen(options.output);
    this.#startedAt = this.#now();
    this.#startedWall = formatWall(options.clock.wallMicroseconds());
    this.#stopResize = options.output.onResize(() => this.#schedulePaint());
    this.#schedulePaint();
  }

  accept(records: readonly StreamRecord[]): void {
    if (this.#closed) return;
    for (const { record } of records) this.#take(record);
    this.#schedulePaint();
  }

  explain(stories: readonly KillStory[]): void {
    if (this.#closed) return;
    for (const story of stories) {
      const { record, explanation } = story;
      if (!this.#stories.take(story, this.#now())) continue;
      this.#add({ type: "story", record, headline: explanation.headline });
    }
    this.#schedulePaint();
  }

  say(sentence: string): void {
    if (this.#closed) return;
    const { width, ...rest } = this.#lineOptions();
    this.#settled.push(...wrapText(sentence, width ?? 10_000, 2, rest));
    this.#schedulePaint();
  }

  silence(): void {
    this.#closed = true;
    this.#cancelPaint?.();
    this.#stopResize();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.silence();
    this.#head(true);
    this.#settleAll();
    const last = [...this.#settled, "", ...this.#summary()];
    if (this.#options.output.interactive) this.#screen.close(last);
    else this.#writePlain(last.filter((line) => line !== ""));
    this.#settled = [];
  }

  #take(record: OutputRecord): void {
    switch (record.type) {
      case "kill":
        this.#takeKill(record);
        break;
      case "exit":
        this.#takeExit(record);
        break;
      case "userspace-kill":
        this.#add(record);
        break;
      case "source":
        this.#takeSource(record);
        break;
      case "ledger":
        break;
    }
  }

  #takeKill(record: KillRecord): void {
    const known = this.#lines.find(({ record: one }) => isKill(one, record.id));
    if (known !== undefined) {
      if (isInvisible(record) && !isInvisible(known.record)) this.#invisible += 1;
      known.record = record;
      known.changedAt = this.#now();
    } else if (record.revision === 0) {
      if (record.recovered) this.#recovered += 1;
      else this.#opened += 1;
      if (isInvisible(record)) this.#invisible += 1;
      this.#add(record);
    } else if (record.visibility !== "pending" && this.#awaited.delete(record.id)) {
      this.#takeSettled(record);
    }
  }

  /** An amendment takes the place of the line that waits to be printed, or gets one of its own. */
  #takeExit(record: ExitRecord): void {
    if (!isTelling(record)) return;
    const known = this.#lines.find(({ record: one }) => isExit(one, record.id));
    if (known === undefined) this.#add(record);
    else known.record = record;
  }

  /** Its line stands already. */
  #takeSettled(record: KillRecord): void {
    if (!isInvisible(record)) return;
    this.#invisible += 1;
    this.#settled.push(formatInvisible(record, this.#lineOptions()));
  }

  #add(record: LineRecord): void {
    const now = this.#now();
    this.#lines.push({ record, openedAt: now, changedAt: now });
    if (this.#lines.length > PENDING_LIMIT) this.#settleFirst();
  }

  #takeSource(record: SourceRecord): void {
    const before = this.#states.get(record.source);
    this.#states.set(record.source, record);
    if (!this.#headed) return;
    if (before?.state === record.state && before.reason === record.reason) return;
    const at = formatWall(this.#options.clock.wallMicroseconds());
    this.#settled.push(...formatSourceChange(record, at, this.#lineOptions()));
  }

  /** While nothing happens nothing is scheduled: an idle view costs nothing. */
  #schedulePaint(milliseconds = PAINT_MILLISECONDS): void {
    const at = this.#now() + milliseconds;
    // The earlier call stays: records that keep coming must not put it off.
    if (this.#closed || (this.#cancelPaint !== null && this.#paintAt <= at)) return;
    this.#cancelPaint?.();
    this.#paintAt = at;
    this.#cancelPaint = this.#options.clock.after(milliseconds, () => {
      this.#cancelPaint = null;
      this.#paint();
      if (!this.#headed || this.#lines.length > 0) this.#schedulePaint(WAITING_MILLISECONDS);
    });
  }

  #paint(): void {
    if (this.#closed) return;
    this.#head(this.#now() - this.#startedAt > HEADER_PATIENCE_MILLISECONDS);
    if (!this.#headed) return;
    while (this.#mustSettle()) this.#settleFirst();
    const settled = this.#settled;
    this.#settled = [];
    if (this.#options.output.interactive) this.#repaint(settled);
    else this.#writePlain(settled);
  }

  #repaint(settled: readonly string[]): void {
    const live = this.#liveLines();
    const text = live.join("\n") + JSON.stringify(this.#options.output.size());
    if (settled.length === 0 && text === this.#livePainted) return;
    this.#livePainted = text;
    this.#screen.paint(settled, live);
  }

  #writePlain(lines: readonly string[]): void {
    if (lines.length > 0) this.#options.output.write(`${lines.join("\n")}\n`);
  }

  #head(now: boolean): void {
    const { view, kernel, note, style } = this.#options;
    const notes = this.#options.notes();
    if (this.#headed || !(now || (notes !== null && view.ready()))) return;
    this.#headed = true;
    for (const source of view.sources()) this.#states.set(source.source, source);
    const about = { version: view.version, node: view.node, kernel };
    const options = this.#lineOptions();
    const sources = SOURCE_NAMES.flatMap((name) => {
      const record = this.#states.get(name);
      return record === undefined ? [] : [{ record, note: note(name) }];
    });
    const header = formatHeader(about, sources, options);
    const heading = style === "table" ? ["", formatHeading(options)] : [];
    const width = options.width ?? 10_000;
    const below = (notes ?? []).flatMap((note) => wrapText(note, width, 2, options));
    this.#settled.unshift(...header, ...below, ...heading);
  }

  #mustSettle(): boolean {
    const first = this.#lines[0];
    if (first === undefined) return false;
    const now = this.#now();
    if (now - first.openedAt < PLAIN_SETTLE_MILLISECONDS) return false;
    if (!this.#options.output.interactive) return true;
    if (this.#lines.length > this.#room()) return true;
    if (isPending(first.record)) return now - first.openedAt >= PENDING_SETTLE_MILLISECONDS;
    return now - first.changedAt >= LIVE_SETTLE_MILLISECONDS;
  }

  /** Kill lines that may stand in the live region. */
  #room(): number {
    return Math.max(1, Math.min(LIVE_LINES, this.#options.output.size().rows - SPARE_ROWS));
  }

  #settleFirst(): void {
    const joint = this.#joint(0);
    const line = this.#lines.shift();
    if (line === undefined) return;
    this.#settled.push(this.#formatSettled(line.record, joint));
    this.#lastIncident = incidentOf(line.record);
    if (line.record.type === "kill" && isPending(line.record)) this.#await(line.record.id);
  }

  #await(id: string): void {
    this.#awaited.add(id);
    const oldest = this.#awaited.values().next();
    if (this.#awaited.size > PENDING_LIMIT && oldest.done !== true) {
      this.#awaited.delete(oldest.value);
    }
  }

  #formatSettled(record: LineRecord, joint: Joint): string {
    const options = this.#lineOptions();
    return this.#options.style === "log"
      ? formatSentence(record, options)
      : formatLine(record, joint, options);
  }

  #settleAll(): void {
    while (this.#lines.length > 0) this.#settleFirst();
  }

  #joint(index: number): Joint {
    const incident = incidentOf(this.#lines[index]?.record);
    if (incident === null) return "alone";
    const before = index === 0 ? this.#lastIncident : incidentOf(this.#lines[index - 1]?.record);
    const joinsBefore = before === incident;
    const joinsAfter = incidentOf(this.#lines[index + 1]?.record) === incident;
    if (joinsBefore) return joinsAfter ? "middle" : "last";
    return joinsAfter ? "first" : "alone";
  }

  #liveLines(): readonly string[] {
    const options = this.#lineOptions();
    const kills = this.#lines
      .slice(0, this.#room())
      .map((line, index) => formatLine(line.record, this.#joint(index), options));
    const none = this.#opened + this.#recovered === 0 && kills.length === 0;
    const body = none ? formatEmpty(this.#startedWall, options) : kills;
    return [...body, "", this.#ledgerLine()];
  }

  /** Three columns shorter than the terminal: `^C` is echoed behind it. */
  #ledgerLine(): string {
    const options = this.#lineOptions();
    const width = options.width === null ? null : Math.max(1, options.width - 3);
    const lost = [...this.#states.values()].reduce((sum, source) => sum + source.lost, 0);
    return formatLedger(this.#options.view.ledger(), lost, { ...options, width });
  }

  #summary(): readonly string[] {
    const seconds = Math.round((this.#now() - this.#startedAt) / 1000);
    const minutes = Math.floor(seconds / 60);
    const time = minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
    const before = this.#recovered === 0 ? "" : `, ${this.#recovered} from before`;
    const invisible = this.#invisible === 0 ? "" : `, ${this.#invisible} invisible`;
    const count = `${this.#opened} ${this.#opened === 1 ? "kill" : "kills"}`;
    const kills = `${count} in ${time}${before}${invisible}`;
    return [
      shortenEnd(kills, this.#lineOptions().width ?? 80, this.#options.output),
      this.#ledgerLine(),
    ];
  }

  #lineOptions(): LineOptions {
    const { output, offsetMinutes } = this.#options;
    const { colour, unicode } = output;
    return { colour, unicode, width: output.size().columns, offsetMinutes };
  }

  #now(): number {
    return this.#options.clock.monotonicMicroseconds() / 1000;
  }
}
