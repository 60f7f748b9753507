import { type TextEvent, TextExplainer } from "../agent/text-explainer.ts";
import { countText } from "../explain/words.ts";
import type { ExplainedKill } from "../model/explanation.ts";
import type { LogClock } from "../parse/report-stamp.ts";
import { safeJson } from "../sinks/json-line.ts";
import { localOffsetMinutes } from "./console.ts";
import type { Context } from "./environment.ts";
import { CliError, describeError, type ExitStatus } from "./errors.ts";
import { checkForm, type Input, resolveInput, unreadable } from "./explain-inputs.ts";
import { explainMarkdown, explainPage } from "./explain-page.ts";
import { TextScanner } from "./explain-scan.ts";
import { isUserspaceWanted, isWanted, type Selection, selectionOf } from "./explain-select.ts";
import { KillShelf } from "./explain-shelf.ts";
import { storedKill } from "./explain-stored.ts";
import { flagOption, type RawOptions, textOption } from "./options.ts";

/** A text that takes longer than this shows how far it is, and then this often. */
const PROGRESS_MICROSECONDS = 1_000_000;
const PROGRESS_AGAIN_MICROSECONDS = 200_000;
/** Ids remembered to tell a kill once that several files have. */
const IDS_KEPT = 100_000;
const PROBLEMS_SHOWN = 20;

/** `oomwitness explain [FILE…|-|ID]`: what kernel logs say of OOM kills, and why. */
export async function run(
  context: Context,
  options: RawOptions,
  words: readonly string[],
): Promise<ExitStatus> {
  return new Explaining(context, options).run(words);
}

class Explaining {
  readonly #context: Context;
  readonly #options: RawOptions;
  readonly #selection: Selection;
  readonly #json: boolean;
  readonly #shelf: KillShelf;
  /** Of every text before the one that is read now. */
  readonly #known = new Set<string>();
  /** Only of several texts may two have the same kill. */
  #several = false;
  #failed = false;
  #found = 0;
  #twice = 0;
  #undated = 0;
  #lines = 0;
  #gone = false;

  constructor(context: Context, options: RawOptions) {
    this.#context = context;
    this.#options = options;
    this.#selection = selectionOf(context, options);
    this.#json = flagOption(options, "json");
    const list = flagOption(options, "list");
    this.#shelf = new KillShelf({ list, kill: textOption(options, "kill") });
    if (this.#json && flagOption(options, "markdown")) {
      throw new CliError("E_USAGE", "--json and --markdown exclude each other.");
    }
    void context.console.readerGone.then(() => {
      this.#gone = true;
    });
  }

  async run(words: readonly string[]): Promise<ExitStatus> {
    for (const word of words.length === 0 ? ["-"] : words) {
      const inputs = this.#resolve(word);
      this.#several ||= words.length > 1 || inputs.length > 1;
      for (const input of inputs) if (!this.#gone) await this.#input(input);
    }
    this.#print();
    return this.#end();
  }

  /** One word that means nothing does not keep the others from being read. */
  #resolve(word: string): readonly Input[] {
    try {
      return resolveInput(this.#context, word);
    } catch (error) {
      return this.#fail(error);
    }
  }

  #fail(error: unknown): readonly [] {
    this.#context.console.progress(null);
    this.#context.console.error(describeError(error).line);
    this.#failed = true;
    return [];
  }

  async #input(input: Input): Promise<void> {
    try {
      if (input.kind === "id") {
        await this.#kill(storedKill(this.#context, this.#options, input.id), null);
      } else await this.#text(input);
    } catch (error) {
      this.#fail(input.kind === "id" ? error : unreadable(input.name, error));
    }
  }

  async #text(input: Exclude<Input, { kind: "id" }>): Promise<void> {
    const scanner = new TextScanner(new TextExplainer(this.#clockOf(input)));
    const ids: string[] = [];
    const take = async (events: readonly TextEvent[]) => {
      for (const event of events) await this.#event(event, input.name, ids);
    };
    const progress = this.#progressOf(input);
    try {
      let first = true;
      for await (const piece of this.#pieces(input)) {
        if (first) checkForm(input.name, piece);
        first = false;
        await take(scanner.push(piece));
        progress(piece.length);
        if (this.#gone) return;
      }
    } finally {
      // What a damaged file had is told as well.
      await take(scanner.end());
      this.#lines += scanner.lines;
      this.#context.console.progress(null);
      for (const id of ids) if (this.#known.size < IDS_KEPT) this.#known.add(id);
    }
  }

  /** Logs are read where they were written, as a rule: their times are of our zone and not from the future. */
  #clockOf(input: Exclude<Input, { kind: "id" }>): LogClock {
    const now = this.#context.host.clock.wallMicroseconds();
    const latestMicroseconds = input.kind === "text" ? input.latestMicroseconds : now;
    return { zoneMinutes: localOffsetMinutes(now / 1000), latestMicroseconds };
  }

  async *#pieces(input: Exclude<Input, { kind: "id" }>): AsyncGenerator<Uint8Array> {
    const { host, texts } = this.#context;
    if (input.kind === "device") yield host.files.readBytes(input.path);
    else yield* texts.read(input.path);
  }

  /** Called with each piece; shows on a terminal how far it is once it takes long. */
  #progressOf(input: Exclude<Input, { kind: "id" }>): (bytes: number) => void {
    const { console, host } = this.#context;
    const total = input.kind === "text" ? input.bytes : 0;
    let next = host.clock.monotonicMicroseconds() + PROGRESS_MICROSECONDS;
    let done = 0;
    return (bytes) => {
      done += bytes;
      const now = host.clock.monotonicMicroseconds();
      if (now < next) return;
      next = now + PROGRESS_AGAIN_MICROSECONDS;
      const of = total > done ? ` of ${megabytes(total)}` : "";
      console.progress(
        `${input.name}: ${megabytes(done)}${of} MB read, ${countText(this.#found, "kill")}`,
      );
    };
  }

  async #event(event: TextEvent, name: string, ids: string[]): Promise<void> {
    switch (event.kind) {
      case "kill":
        if (this.#known.has(event.kill.id)) this.#twice += 1;
        else {
          if (this.#several && ids.length < IDS_KEPT) ids.push(event.kill.id);
          await this.#kill(event.kill, { file: name, line: event.report.lines.first });
        }
        return;
      case "userspace-kill":
        if (isUserspaceWanted(event.record, this.#selection) === "no") return;
        this.#found += 1;
        if (this.#json) await this.#write(event.record);
        else this.#shelf.userspaceKill(event.record);
        return;
      case "problem":
        this.#shelf.problem(`${name}:${event.line}: ${event.sentence}`);
        return;
    }
  }

  async #kill(
    kill: ExplainedKill,
    log: { readonly file: string; readonly line: number } | null,
  ): Promise<void> {
    const wanted = isWanted(kill, this.#selection);
    if (wanted === "no") return;
    if (wanted === "unknown") this.#undated += 1;
    this.#found += 1;
    if (this.#json) await this.#write({ ...kill, log });
    else this.#shelf.kill(kill);
  }

  /** One JSON line, at the pace of its reader. */
  async #write(record: object): Promise<void> {
    const { console } = this.#context;
    if (console.push(`${safeJson(record)}\n`)) return;
    await Promise.race([console.emptied(), console.readerGone]);
  }

  #print(): void {
    const { console } = this.#context;
    if (this.#json || this.#gone) return;
    if (flagOption(this.#options, "markdown")) {
      console.write(explainMarkdown(this.#shelf));
      return;
    }
    const { unicode } = console;
    const colour = console.colour && this.#options["color"] !== false;
    const width = console.size().columns;
    const lines = { colour, unicode, width, offsetMinutes: localOffsetMinutes };
    const all = flagOption(this.#options, "all");
    const list = flagOption(this.#options, "list");
    console.write(explainPage(this.#shelf, { lines, all, list }));
  }

  #end(): ExitStatus {
    for (const sentence of this.#notes()) this.#context.console.error(`oomwitness: ${sentence}`);
    return this.#failed || this.#found === 0 ? 1 : 0;
  }

  #notes(): readonly string[] {
    const { problems, problemsLeftOut } = this.#shelf;
    const shown = problems.slice(0, PROBLEMS_SHOWN);
    const rest = problems.length - shown.length + problemsLeftOut;
    return [
      ...shown,
      ...(rest > 0 ? [`and ${rest} more places that could not be read`] : []),
      ...(this.#twice > 0
        ? [`in several files, told once: ${countText(this.#twice, "kill")}`]
        : []),
      ...(this.#undated > 0
        ? [
            `without a date in the text, shown whatever --since says: ${countText(this.#undated, "kill")}`,
          ]
        : []),
      ...(this.#found === 0 && !this.#failed ? [this.#nothing()] : []),
    ];
  }

  #nothing(): string {
    const { since, pod, unit } = this.#selection;
    const asked = since !== null || pod !== null || unit !== null;
    const where = countText(this.#lines, "line");
    return asked ? `no OOM kill of that description in ${where}` : `no OOM kill in ${where}`;
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
