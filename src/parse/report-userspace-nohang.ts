/**
 * nohang names its victim, then what it does about it; the words changed over its versions:
 *
 *       PID: 12297, Name: tail, badness: 727             Process with highest badness
 *       PID:       7378, name: tail, state: S, …         the same in another version
 *       Sending SIGTERM to the victim                    2020 and later
 *       Sending SIGTERM to the victim; OK; response …    … 2019-02
 *       Send SIGTERM to the victim; total response …     … 2020
 *       Send SIGTERM to the victim; no such process; …   nobody was killed
 *       Run the command: kill -TERM 12297                instead of the signal, as configured
 *     Execute the command(1) in Thread-1: kill -TERM 12297   the same command by the thread that runs it
 */
import { type Told, told } from "./report-userspace-told.ts";

const SIGNAL =
  /(?:^\s*|nohang\S{0,16}: +)(?:Sending SIG(?:TERM|KILL) to the victim|Send SIG(?:TERM|KILL) to the victim;)([^\n]{0,80})/;
const COMMAND =
  /(?:^\s*|nohang\S{0,16}: +)(Run|Execute) the command(?:\(\d{1,9}\) in \S{1,40})?: ((?:p?kill|killall|systemctl (?:kill|stop|restart)) [^\n]{1,200})/;

export class Nohang {
  #victim: { readonly pid: number; readonly comm: string } | null = null;
  /** A command that was told by one of its two lines. */
  #ran: string | null = null;

  read(text: string): Told | null {
    const victim = /\bPID: +(\d{1,10}), [Nn]ame: ([^\n,]{1,64}),/.exec(text);
    if (victim !== null) this.#victim = { pid: Number(victim[1]), comm: victim[2] ?? "" };
    const signal = SIGNAL.exec(text);
    if (signal !== null) {
      const { pid = null, comm = null } = this.#takeVictim() ?? {};
      return signal[1]?.includes("o such process") === true ? null : told("nohang", { pid, comm });
    }
    const command = COMMAND.exec(text);
    // Manuals tell their readers to run commands, too.
    const isAdvice = command?.[1] === "Run" && !text.includes("nohang") && this.#idle;
    return command === null || isAdvice
      ? null
      : this.#command(command[1] ?? "", command[2]?.trim() ?? "");
  }

  /** Nobody was chosen, and nothing was run. */
  get #idle(): boolean {
    return this.#victim === null && this.#ran === null;
  }

  #command(word: string, command: string): Told | null {
    const other = `${word === "Run" ? "Execute" : "Run"} ${command}`;
    const repeated = this.#ran === other;
    this.#ran = repeated ? null : `${word} ${command}`;
    if (repeated) return null;
    const victim = this.#takeVictim();
    const named = /^kill (?:-\S{1,10} )?(\d{1,10})$/.exec(command)?.[1];
    const pid = named === undefined ? (victim?.pid ?? null) : Number(named);
    const comm = victim?.pid === pid ? (victim?.comm ?? null) : null;
    return told("nohang", { pid, comm, reason: command });
  }

  #takeVictim() {
    const victim = this.#victim;
    this.#victim = null;
    return victim;
  }
}
