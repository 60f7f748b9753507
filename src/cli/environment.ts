import type { Host } from "../host/host.ts";
import type { Texts } from "../host/texts.ts";
import type { SourceOptions } from "../sources/source.ts";
import type { Console } from "./console.ts";
import { type RawOptions, textOption } from "./options.ts";

/** What every command is given. */
export interface Context {
  readonly console: Console;
  readonly host: Host;
  readonly texts: Texts;
  readonly version: string;
  readonly pid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Where the interfaces of the kernel and of the runtimes are, from the options and, for sockets, the environment. */
export function sourceOptions(
  { env }: Context,
  options: RawOptions,
  rest: Pick<SourceOptions, "instanceName" | "keepInstance" | "history">,
): SourceOptions {
  return {
    procRoot: textOption(options, "procRoot") ?? "/proc",
    sysRoot: textOption(options, "sysRoot") ?? "/sys",
    devRoot: textOption(options, "devRoot") ?? "/dev",
    sockets: socketOptions(env, options),
    ...namespaceOptions(options),
    user: { runtimeDirectory: directoryOf(env["XDG_RUNTIME_DIR"]), home: directoryOf(env["HOME"]) },
    ...rest,
  };
}

/** Sockets that were given; Docker's also as its own client takes it. A daemon behind a network is not on this machine. */
function socketOptions(
  env: Context["env"],
  options: RawOptions,
): NonNullable<SourceOptions["sockets"]> {
  const dockerHost = /^unix:\/\/(\/.+)$/.exec(env["DOCKER_HOST"] ?? "")?.[1] ?? null;
  const docker = textOption(options, "dockerSocket") ?? dockerHost;
  const containerd = textOption(options, "containerdSocket");
  const cri = textOption(options, "criSocket");
  const podman = textOption(options, "podmanSocket");
  return {
    ...(docker !== null && { docker }),
    ...(containerd !== null && { containerd }),
    ...(cri !== null && { cri }),
    ...(podman !== null && { podman }),
  };
}

function namespaceOptions({ containerdNamespaces: names }: RawOptions) {
  if (!Array.isArray(names)) return {};
  return { containerdNamespaces: names.filter((name) => typeof name === "string") };
}

function directoryOf(path: string | undefined): string | null {
  return path?.startsWith("/") === true ? path : null;
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
