import { createFiles } from "../host/files.ts";
import { HostError } from "../host/host.ts";
import { fileSizeBytes } from "../host/sqlite.ts";

/** Beyond it refused records are only counted. */
const LARGEST_BYTES = 1024 * 1024;

/** Too large, a missing member, another type, something that cannot be bound: the record, not the disk or the file. */
const ABOUT_THE_RECORD = /^(SQLITE_(18|19|20|25)|ERR_\w+|EUNKNOWN)$/;

/** Whether the record cannot be stored, whatever the state of the disk is. */
function isAboutRecord(error: unknown): boolean {
  return !(error instanceof HostError) || ABOUT_THE_RECORD.test(error.code);
}

/** Records that cannot be stored are put into a file beside the database, so that they do not hold up the others. */
export class Refused {
  readonly #path: string;
  readonly #report: (sentence: string) => void;
  #count = 0;

  constructor(databasePath: string, report: (sentence: string) => void) {
    this.#path = `${databasePath}.refused.jsonl`;
    this.#report = report;
  }

  get count(): number {
    return this.#count;
  }

  /** Writes them together, or one by one where one of them cannot be written; a disk that takes none throws. */
  writeEach<T extends object>(items: readonly T[], write: (items: readonly T[]) => void): void {
    try {
      write(items);
    } catch (error) {
      if (!isAboutRecord(error)) throw error;
      const [only] = items;
      if (items.length > 1) for (const item of items) this.writeEach([item], write);
      else if (only !== undefined) this.#put(only, error);
    }
  }

  #put(record: object, error: unknown): void {
    this.#count += 1;
    const why = error instanceof Error ? error.message : String(error);
    const kept = this.#keep(`${jsonOf({ why, record }) ?? jsonOf({ why })}\n`);
    if (this.#count > 1) return;
    const where = kept ? `kept in ${this.#path}` : "it could not be kept";
    this.#report(`a record cannot be stored (${why}): ${where}; the others are stored`);
  }

  #keep(line: string): boolean {
    if (fileSizeBytes(this.#path) + line.length > LARGEST_BYTES) return false;
    try {
      const file = createFiles().openAppend(this.#path);
      file.append(line);
      file.close();
      return true;
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      return false;
    }
  }
}

function jsonOf(value: object): string | null {
  try {
    return JSON.stringify(value, (_name, one: unknown) =>
      typeof one === "bigint" ? `${one}` : one,
    );
  } catch {
    return null;
  }
}
