import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import type { KillRecord, OutputRecord } from "../../src/model/record.ts";

const READER = resolve(import.meta.dirname, "reader.ts");

/** A kill as a client of the stream came to know it. */
export interface Arrival {
  /** The record as it was told last. */
  readonly record: KillRecord;
  /** Time from the kernel's kill, as dated best, to the first record of it at the client. */
  readonly microseconds: number;
}

/** Follows the stream of an agent in another process until `arrivals` is asked for. */
export class Stream {
  readonly #child: ChildProcess;
  readonly #output: Promise<string>;

  private constructor(child: ChildProcess, output: Promise<string>) {
    this.#child = child;
    this.#output = output;
  }

  /** `nice`: the scheduler's precedence of the reader, that of the agent unless the reader itself is to be measured. */
  static async open(url: string, nice: number): Promise<Stream> {
    const child = spawn(process.execPath, [READER, url, String(nice)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let text = "";
    const connected = new Promise<void>((done) => {
      child.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (text.startsWith("connected\n")) done();
      });
    });
    const output = new Promise<string>((done) => child.once("close", () => done(text)));
    await connected;
    return new Stream(child, output);
  }

  async arrivals(): Promise<Arrival[]> {
    this.#child.stdin?.end();
    const lines = (await this.#output).split("\n").slice(1, -1);
    const first = new Map<string, number>();
    const last = new Map<string, KillRecord>();
    for (const line of lines) {
      const { arrived, record } = JSON.parse(line) as { arrived: number; record: OutputRecord };
      if (record.type !== "kill") continue;
      if (record.revision === 0) first.set(record.id, arrived);
      last.set(record.id, record);
    }
    return [...last.values()].flatMap((record) => {
      const arrived = first.get(record.id);
      return arrived === undefined
        ? []
        : [{ record, microseconds: arrived - wallMicroseconds(record.at) }];
    });
  }
}

/** `2026-11-20T23:10:05.123456Z` → µs since 1970. */
function wallMicroseconds(at: string): number {
  return Date.parse(`${at.slice(0, 19)}Z`) * 1000 + Number(at.slice(20, 26));
}
