import type { Host } from "../host/host.ts";
import type { SourceRecord } from "../model/record.ts";
import type { SourceOptions } from "../sources/source.ts";
import { startPipeline } from "./pipeline.ts";

export interface CheckedSource {
  readonly record: SourceRecord;
  /** How it works here, one short clause, or "". */
  readonly note: string;
}

/** What each source says of itself when it is started here, without keeping anything: for `doctor`. */
export async function checkSources(
  host: Host,
  options: SourceOptions,
  seconds: number,
): Promise<readonly CheckedSource[]> {
  const pipeline = startPipeline(host, {
    sources: options,
    stateDirectory: null,
    sinks: () => [],
    node: host.hostname,
    version: "",
  });
  let cancel: () => void = () => {};
  const patience = new Promise<void>((resolve) => {
    cancel = host.clock.after(seconds * 1000, resolve);
  });
  await Promise.race([pipeline.ready, patience]);
  cancel();
  const states = pipeline.view
    .sources()
    .map((record) => ({ record, note: pipeline.note(record.source) }));
  await pipeline.stop();
  return states;
}
