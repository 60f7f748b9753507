import type { SourceName } from "../model/observation.ts";
import type { AgentView, Sink } from "../sinks/sink.ts";
import type { Source, SourceOptions } from "../sources/source.ts";

export interface PipelineOptions {
  readonly sources: SourceOptions;
  /** Where to keep the books; `null` keeps nothing (`watch`). Must exist. */
  readonly stateDirectory: string | null;
  /** The ways out, made once the view exists. */
  readonly sinks: (view: AgentView) => readonly Sink[];
  readonly node: string;
  readonly version: string;
  /** Something an operator should read: the books cannot be kept on disk, or can again. */
  readonly report?: (sentence: string) => void;
  /** A fault of the program was met at its core: what is in memory is not to be relied on any more. Absent: it is thrown. */
  readonly crashed?: (error: unknown) => void;
  /** Replaces the real sources in tests of the pipeline itself. */
  readonly createSources?: (options: SourceOptions) => Source[];
}

export interface Pipeline {
  readonly view: AgentView;
  /** Resolves when every source has said whether it can see. */
  readonly ready: Promise<void>;
  /** Something the operator should hear about the state on disk; empty when all is well. */
  readonly problems: readonly string[];
  /** Where a source says how it works here: one short clause, or "". */
  note(source: SourceName): string;
  /** Asks the counters to be read now. */
  poke(): void;
  stop(): Promise<void>;
}
