import { type Host, HostError } from "../host/host.ts";
import { CliError, messageOf } from "./errors.ts";

/** Whoever may read the state may know what every container here runs: its owner writes, its group reads, nobody else. */
const DIRECTORY_MODE = 0o750;
const FILE_MODE = 0o640;
const WITHHELD = 0o027;

/** Names of what the agent keeps, with what it set aside and what it was just writing. */
const OWN = /^(?:oomwitness\.db|journal\.|checkpoint\.|agent\.lock|\.doctor)/;

/**
 * Makes the state directory, and takes from it and from its files what an earlier version or a hand gave to others. A
 * directory that holds other things too (somebody gave /tmp) keeps its mode: only our files in it are changed. Throws
 * `CliError` E_STATE_DIR when it cannot be made.
 */
export function prepareStateDirectory(
  { files, processes }: Host,
  directory: string,
  say: (sentence: string) => void,
): void {
  processes.withholdPermissions(WITHHELD);
  try {
    files.makeDirectory(directory, true);
  } catch (error) {
    const code = error instanceof HostError ? error.code : messageOf(error);
    throw new CliError(
      "E_STATE_DIR",
      `cannot make ${directory} (${code}): run it as root, or give a --state-dir you may write.`,
    );
  }
  try {
    const names = files.list(directory).map(({ name }) => name);
    const own = names.filter((name) => OWN.test(name));
    if (own.length === names.length) files.restrictMode(directory, DIRECTORY_MODE);
    for (const name of own) files.restrictMode(`${directory}/${name}`, FILE_MODE);
  } catch (error) {
    // Another user's file: what we cannot take from others the operator has to.
    say(`others may read the state: ${messageOf(error)}; run 'chmod -R o= ${directory}'`);
  }
}
