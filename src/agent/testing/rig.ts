import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { type Files, type Host, HostError } from "../../host/host.ts";
import { createHost } from "../../host/real.ts";
import type { Sink, StreamRecord } from "../../sinks/sink.ts";
import type { ManualClock } from "../../sinks/testing/records.ts";
import {
  DEFAULT_SOURCE_OPTIONS,
  type Source,
  type SourceObservation,
} from "../../sources/source.ts";
import { type Pipeline, startPipeline } from "../pipeline.ts";

/** A pipeline on a state directory of its own, told by hand what happens. */
export interface Rig {
  readonly pipeline: Pipeline;
  readonly told: StreamRecord[];
  readonly reports: string[];
  emit(...observations: SourceObservation[]): void;
}

export interface Disk {
  full: boolean;
}

/** The real files, but for a disk that may be full: it takes half of what is appended, as the kernel would. */
function filesOn(disk: Disk): Files {
  const { files } = createHost();
  const refuse = (file: string): never => {
    throw new HostError("ENOSPC", file, `${file}: no space left on device`);
  };
  return {
    ...files,
    replace: (file, text) => (disk.full ? refuse(file) : files.replace(file, text)),
    replaceNow: (file, text, keep) =>
      disk.full ? refuse(file) : files.replaceNow(file, text, keep),
    // At once: these tests turn the clock by hand.
    replaceBehind: (file, text, keep, done) => {
      if (disk.full) return done(new HostError("ENOSPC", file, "no space left on device"));
      files.replaceNow(file, text, keep);
      done(null);
    },
    openAppend: (file) => {
      const inner = files.openAppend(file);
      return {
        ...inner,
        append: (text) => {
          inner.append(disk.full ? text.slice(0, text.length / 2) : text);
          if (disk.full) refuse(file);
        },
      };
    },
  };
}

export function temporary(t: TestContext): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "oomwitness-agent-"));
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface RigOptions {
  readonly directory: string;
  readonly clock: ManualClock;
  readonly disk?: Disk;
  readonly sinks?: readonly Sink[];
}

export function rig({ directory, clock, disk = { full: false }, sinks = [] }: RigOptions): Rig {
  const real = createHost();
  const processes = { ...real.processes, raisePriority: () => false };
  const host: Host = { ...real, clock, files: filesOn(disk), processes };
  const told: StreamRecord[] = [];
  const reports: string[] = [];
  let emit: (observations: readonly SourceObservation[]) => void = () => {};
  const source: Source = {
    name: "tracefs",
    run: (context) => {
      emit = (observations) => context.emit(observations);
      context.up("");
      return new Promise((resolve) => {
        context.stop.addEventListener("abort", () => resolve({ kind: "stopped" }));
      });
    },
  };
  const keep: Sink = {
    name: "keep",
    accept: (records) => void told.push(...records),
    close: async () => {},
  };
  const pipeline = startPipeline(host, {
    sources: DEFAULT_SOURCE_OPTIONS,
    stateDirectory: directory,
    sinks: () => [keep, ...sinks],
    node: "n",
    version: "",
    report: (sentence) => void reports.push(sentence),
    createSources: () => [source],
  });
  return { pipeline, told, reports, emit: (...observations) => emit(observations) };
}
