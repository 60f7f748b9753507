import { HostError } from "../host/host.ts";
import { STORE_FILE } from "../sinks/store.ts";
import { openStoreReader, type StoreReader } from "../sinks/store-read.ts";
import { type Context, stateDirectory } from "./environment.ts";
import { CliError, messageOf } from "./errors.ts";
import type { RawOptions } from "./options.ts";

/** Asks the agent's store, also while the agent runs; closes it afterwards. */
export function withStore<T>(
  context: Context,
  options: RawOptions,
  ask: (store: StoreReader) => T,
): T {
  const directory = stateDirectory(context, options);
  const store = openStore(context, directory);
  try {
    if (store.note !== null) context.console.error(`oomwitness: ${store.note}`);
    return ask(store);
  } catch (error) {
    throw error instanceof HostError ? new CliError("E_STORE", error.message) : error;
  } finally {
    store.close();
  }
}

function openStore(context: Context, directory: string): StoreReader {
  const path = `${directory}/${STORE_FILE}`;
  try {
    return openStoreReader(path);
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== "ENOENT") {
      throw new CliError("E_STORE", messageOf(error));
    }
    const elsewhere = context.host.uid === 0 ? "" : ", or with sudo if it runs as root";
    throw new CliError(
      "E_STORE",
      `nothing is recorded in ${directory}: start 'oomwitness agent', or give its --state-dir${elsewhere}.`,
    );
  }
}

/** First group of this boot's id, with which the ids of its kills begin; `null` where /proc does not tell. */
export function bootPrefix(context: Context): string | null {
  const id = context.host.files.tryReadText("/proc/sys/kernel/random/boot_id");
  return id === null ? null : `${id.slice(0, 8)}-`;
}
