import type { Host } from "../host/host.ts";
import type { SourceOptions } from "../sources/source.ts";
import type { Console } from "./console.ts";
import { type RawOptions, textOption } from "./options.ts";

/** What every command is given. */
export interface Context {
  readonly console: Console;
  readonly host: Host;
  readonly version: string;
  readonly pid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where the kernel's interfaces are, from --proc-root, --sys-root and --dev-root. */
export function sourceOptions(
  options: RawOptions,
  rest: Pick<SourceOptions, "instanceName" | "keepInstance" | "history">,
): SourceOptions {
  return {
    procRoot: textOption(options, "procRoot") ?? "/proc",
    sysRoot: textOption(options, "sysRoot") ?? "/sys",
    devRoot: textOption(options, "devRoot") ?? "/dev",
    ...rest,
  };
}

/** The trace instance of a command that passes: by this name the next start removes what a killed one left behind. */
export function passingInstance(context: Context): string {
  return `oomwitness-watch-${context.pid}`;
}

/** The release as `uname -r` prints it; `unknown` when /proc is not there. */
export function kernelRelease(host: Host, sources: { readonly procRoot: string }): string {
  return host.files.tryReadText(`${sources.procRoot}/sys/kernel/osrelease`)?.trim() || "unknown";
}

/** /var/lib/oomwitness for root, $XDG_STATE_HOME/oomwitness for others, unless --state-dir says otherwise. */
export function stateDirectory(context: Context, options: RawOptions): string {
  const given = textOption(options, "stateDir");
  if (given !== null) return given;
  if (context.host.uid === 0) return "/var/lib/oomwitness";
  const base = context.env["XDG_STATE_HOME"];
  if (base?.startsWith("/")) return `${base}/oomwitness`;
  return `${context.env["HOME"] ?? "/tmp"}/.local/state/oomwitness`;
}
