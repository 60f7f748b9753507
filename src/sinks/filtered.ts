import type { KillRecord } from "../model/record.ts";
import { isNarrow, type RecordFilter, recordMatches } from "./record-filter.ts";
import type { Sink, StreamRecord } from "./sink.ts";

/** Kills that were let through and may be amended; beyond it the oldest is forgotten. */
const KNOWN_LIMIT = 10_000;

export interface FilteredOptions {
  /** A kill whose owner is learned later comes with revision 0, for a sink that knows kills from their opening. */
  readonly asOpened: boolean;
}

/**
 * Tells a sink only of whom the filter wants. A kill that an amendment gives such an owner comes then for the first time;
 * all further amendments come too.
 */
export function filtered(sink: Sink, filter: RecordFilter, { asOpened }: FilteredOptions): Sink {
  if (!isNarrow(filter)) return sink;
  const known = new Set<string>();
  const kill = (entry: StreamRecord, record: KillRecord): StreamRecord[] => {
    if (known.has(record.id)) return [entry];
    if (!recordMatches(filter, record)) return [];
    known.add(record.id);
    const oldest = known.values().next();
    if (known.size > KNOWN_LIMIT && oldest.done !== true) known.delete(oldest.value);
    return [asOpened ? { ...entry, record: { ...record, revision: 0 } } : entry];
  };
  const wanted = (entry: StreamRecord): StreamRecord[] => {
    const { record } = entry;
    if (record.type === "kill") return kill(entry, record);
    return recordMatches(filter, record) ? [entry] : [];
  };
  return {
    name: sink.name,
    accept: (records) => sink.accept(records.flatMap(wanted)),
    explain: (stories) => sink.explain?.(stories.filter(({ record }) => known.has(record.id))),
    close: () => sink.close(),
  };
}
