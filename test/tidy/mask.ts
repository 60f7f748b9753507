/** What of a TypeScript source is to be blanked. */
export interface Hidden {
  readonly comments: boolean;
  /** The inside of strings, templates and regular expressions; the quotes stay. */
  readonly strings: boolean;
}

/** After one of these a slash begins a regular expression and is no division. */
const BEFORE_PATTERN = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of))\s*$/;

const PATTERN = /\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//y;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const QUOTED = /"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*'/y;
/** The text of a template up to its end or its next `${`. */
const TEMPLATE_TEXT = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*/y;

/** Blanks parts of a source with spaces; lengths and lines stay, so that positions mean the same in both. */
export function mask(source: string, hidden: Hidden): string {
  return new Scanner(source, hidden).run();
}

/** Enough to tell code from comments and strings; not a parser. */
class Scanner {
  readonly #source: string;
  readonly #hidden: Hidden;
  #at = 0;
  #masked = "";
  /** The code before the present position, as far as it decides what a slash means. */
  #recent = "";
  /** Braces open within each `${…}` we are in, innermost last. */
  readonly #braces: number[] = [];

  constructor(source: string, hidden: Hidden) {
    this.#source = source;
    this.#hidden = hidden;
  }

  run(): string {
    while (this.#at < this.#source.length) this.#step();
    return this.#masked;
  }

  #step(): void {
    const comment = this.#match(COMMENT);
    if (comment !== "") {
      this.#emit(comment, this.#hidden.comments);
      return;
    }
    const literal =
      this.#match(QUOTED) || (BEFORE_PATTERN.test(this.#recent) ? this.#match(PATTERN) : "");
    if (literal === "") this.#code();
    else this.#literal(literal);
  }

  #literal(text: string): void {
    this.#emitCode(text.slice(0, 1));
    this.#emit(text.slice(1, -1), this.#hidden.strings);
    this.#emitCode(text.slice(-1));
  }

  #code(): void {
    const character = this.#source.charAt(this.#at);
    const depth = this.#braces.at(-1);
    this.#emitCode(character);
    if (character === "`") this.#templateText();
    if (depth === undefined) return;
    if (character === "{") this.#braces.splice(-1, 1, depth + 1);
    if (character !== "}") return;
    this.#braces.pop();
    if (depth === 0) this.#templateText();
    else this.#braces.push(depth - 1);
  }

  #templateText(): void {
    this.#emit(this.#match(TEMPLATE_TEXT), this.#hidden.strings);
    const opens = this.#source.startsWith("${", this.#at);
    this.#emitCode(this.#source.slice(this.#at, this.#at + (opens ? 2 : 1)));
    if (opens) this.#braces.push(0);
  }

  #match(expression: RegExp): string {
    expression.lastIndex = this.#at;
    return expression.exec(this.#source)?.[0] ?? "";
  }

  #emit(text: string, hide: boolean): void {
    this.#masked += hide ? text.replace(/[^\n]/g, " ") : text;
    this.#at += text.length;
  }

  #emitCode(text: string): void {
    this.#emit(text, false);
    this.#recent = (this.#recent + text).slice(-40);
  }
}
