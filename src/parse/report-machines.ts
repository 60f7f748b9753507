/** Logs of several machines in one text, line by line into each other, as a server for syslog keeps them. */
import type { ReportEvent } from "../model/report.ts";
import { ReportAssembler } from "./report-assembler.ts";
import type { LogLine } from "./report-decode.ts";
import { LineJoiner } from "./report-joiner.ts";

interface Machine {
  readonly joiner: LineJoiner;
  readonly assembler: ReportAssembler;
}

/** More have no report open at the same time; the one that was silent for longest is ended. */
const MAX_MACHINES = 32;
const NONE: readonly ReportEvent[] = [];

/** Keeps the lines of each machine apart. What names no machine belongs to the one that spoke last. */
export class Machines {
  /** The one that spoke last is the last one. */
  readonly #machines = new Map<string, Machine>();
  #host = "";
  #current = newMachine();

  constructor() {
    this.#machines.set(this.#host, this.#current);
  }

  get busy(): boolean {
    if (this.#machines.size === 1) return isBusy(this.#current);
    return [...this.#machines.values()].some(isBusy);
  }

  push(line: LogLine): readonly ReportEvent[] {
    const ended = line.host === null || line.host === this.#host ? NONE : this.#turn(line.host);
    const events = assemble(this.#current, this.#current.joiner.push(line));
    return ended.length === 0 ? events : [...ended, ...events];
  }

  end(): readonly ReportEvent[] {
    return [...this.#machines.values()].flatMap(end);
  }

  problem(line: number, sentence: string): void {
    this.#current.assembler.problem(line, sentence);
  }

  #turn(host: string): readonly ReportEvent[] {
    const known = this.#machines.get(host);
    // Lines before the first name are of the first machine that is named.
    const first = this.#host === "" && known === undefined;
    const machine = known ?? (first ? this.#current : newMachine());
    if (first) this.#machines.delete("");
    this.#machines.delete(host);
    this.#machines.set(host, machine);
    this.#host = host;
    this.#current = machine;
    return this.#forget();
  }

  #forget(): readonly ReportEvent[] {
    const [oldest] = this.#machines;
    if (oldest === undefined || this.#machines.size <= MAX_MACHINES) return NONE;
    this.#machines.delete(oldest[0]);
    return end(oldest[1]);
  }
}

function newMachine(): Machine {
  return { joiner: new LineJoiner(), assembler: new ReportAssembler() };
}

function isBusy({ joiner, assembler }: Machine): boolean {
  return assembler.busy || joiner.waiting;
}

function assemble(
  { assembler }: Machine,
  lines: ReturnType<LineJoiner["push"]>,
): readonly ReportEvent[] {
  return lines.length === 0 ? NONE : lines.flatMap((line) => assembler.push(line));
}

function end(machine: Machine): readonly ReportEvent[] {
  return [...assemble(machine, machine.joiner.end()), ...machine.assembler.end()];
}
