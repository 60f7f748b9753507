import { Command, CommanderError, Option } from "commander";
import { paint } from "../sinks/terminal-style.ts";
import type { Context } from "./environment.ts";
import { CliError, describeError, type ExitStatus } from "./errors.ts";
import {
  parseCount,
  parseListen,
  parseNamespaces,
  parseNode,
  parsePath,
  parseSeconds,
  parseSize,
  type RawOptions,
} from "./options.ts";

/** A command's file, loaded only when the command runs: `--help` loads none. */
type Run = (context: Context, options: RawOptions, words: readonly string[]) => Promise<ExitStatus>;

interface CommandPlan {
  /** With its argument: `show <id>`. */
  readonly name: string;
  readonly argumentAbout?: string;
  readonly summary: string;
  readonly about: string;
  readonly example: readonly string[];
  readonly options: readonly (() => Option)[];
  load(): Promise<{ readonly run: Run }>;
}

const json = () => new Option("--json", "print JSON, for programs").env("OOMWITNESS_JSON");
const stateDir = () =>
  new Option(
    "--state-dir <path>",
    "where state is kept (default: /var/lib/oomwitness as root, else $XDG_STATE_HOME/oomwitness)",
  )
    .env("OOMWITNESS_STATE_DIR")
    .argParser(parsePath);
const node = () =>
  new Option("--node <name>", "name of this node in records; the host name unless given")
    .env("OOMWITNESS_NODE")
    .argParser(parseNode);
const root = (name: string) => () =>
  new Option(`--${name}-root <path>`, `where /${name} of the host is mounted`)
    .env(`OOMWITNESS_${name.toUpperCase()}_ROOT`)
    .argParser(parsePath)
    .default(`/${name}`);
const roots = ["proc", "sys", "dev"].map(root);
const socket = (name: string, daemon: string) => () =>
  new Option(`--${name}-socket <path>`, `socket of ${daemon}; found by itself unless given`)
    .env(`OOMWITNESS_${name.toUpperCase()}_SOCKET`)
    .argParser(parsePath);
const sockets = [
  socket("docker", "Docker"),
  socket("containerd", "containerd"),
  () =>
    new Option(
      "--containerd-namespaces <names>",
      "only these namespaces of containerd, separated by commas; all unless given",
    )
      .env("OOMWITNESS_CONTAINERD_NAMESPACES")
      .argParser(parseNamespaces),
  socket("cri", "the Kubernetes runtime (CRI)"),
  socket("podman", "Podman"),
];
const text = (flags: string, about: string, env: string) => () => new Option(flags, about).env(env);
/** Whose records are wanted, in `watch` and `list`. */
const owners = [
  text(
    "--container <name>",
    "only this container: its name, its name in the pod, or its id",
    "OOMWITNESS_CONTAINER",
  ),
  text("--pod <name>", "only this pod", "OOMWITNESS_POD"),
  text("--namespace <name>", "only pods of this namespace", "OOMWITNESS_NAMESPACE"),
  text(
    "--invisible",
    "only kills that the container's main process outlived",
    "OOMWITNESS_INVISIBLE",
  ),
];
const listen = () =>
  new Option(
    "--listen <address>",
    "where metrics and the API are served: ADDRESS:PORT or unix:PATH",
  )
    .env("OOMWITNESS_LISTEN")
    .argParser(parseListen)
    .default({ kind: "tcp", address: "127.0.0.1", port: 9137 }, "127.0.0.1:9137");
const access = [
  () =>
    new Option(
      "--token-file <path>",
      "file with the token that clients must send; needed to listen on an address that others reach",
    )
      .env("OOMWITNESS_TOKEN_FILE")
      .argParser(parsePath),
  text("--open", "listen without a token also where others can read everything", "OOMWITNESS_OPEN"),
];
const seconds = (flags: string, about: string, env: string) => () =>
  new Option(flags, about).env(env).argParser(parseSeconds);

const PLANS: readonly CommandPlan[] = [
  {
    name: "watch",
    summary: "show kills as they happen, in the terminal",
    about:
      "Shows every OOM kill of this machine as it happens. Needs no root and no configuration: it uses the sources it may and says which it may not. Keeps nothing on disk.",
    example: [
      "oomwitness watch",
      "oomwitness watch --namespace shop --invisible",
      "oomwitness watch --json --until-kills 1 | jq .victim.comm",
    ],
    options: [
      json,
      () =>
        new Option("--history", "also show kills from before the start, as far as known").env(
          "OOMWITNESS_HISTORY",
        ),
      seconds("--for <seconds>", "stop after so many seconds", "OOMWITNESS_FOR"),
      () =>
        new Option("--until-kills <count>", "stop after so many kills")
          .env("OOMWITNESS_UNTIL_KILLS")
          .argParser(parseCount),
      ...owners,
      node,
      ...sockets,
      ...roots,
    ],
    load: () => import("./watch.ts"),
  },
  {
    name: "agent",
    summary: "run the daemon: records, metrics, API, state on disk",
    about:
      "Records every OOM kill of this machine exactly once, also across restarts, and serves metrics and an API. On a terminal it shows the live view as well.",
    example: [
      "oomwitness agent",
      "oomwitness agent --listen :9137 --token-file /etc/oomwitness/token",
    ],
    options: [
      stateDir,
      listen,
      ...access,
      text(
        "--no-compat-metrics",
        "leave out container_ooms, container_restarts and container_last_exit_code",
        "OOMWITNESS_NO_COMPAT_METRICS",
      ),
      text(
        "--more-compat-metrics",
        "also print klog_pod_oomkill and cAdvisor's container_oom_events_total",
        "OOMWITNESS_MORE_COMPAT_METRICS",
      ),
      () =>
        new Option("--keep-days <days>", "forget records older than this")
          .env("OOMWITNESS_KEEP_DAYS")
          .argParser(parseCount)
          .default(30),
      () =>
        new Option("--keep-size <size>", "forget the oldest records beyond this size")
          .env("OOMWITNESS_KEEP_SIZE")
          .argParser(parseSize)
          .default(256 * 2 ** 20, "256MiB"),
      () =>
        new Option(
          "--trace-instance <name>",
          "private trace instance; the default one goes on recording between runs",
        )
          .env("OOMWITNESS_TRACE_INSTANCE")
          .argParser(parseNode)
          .default("oomwitness"),
      node,
      ...sockets,
      ...roots,
    ],
    load: () => import("./agent.ts"),
  },
  {
    name: "list",
    summary: "list recorded kills, newest first",
    about:
      "Lists the kills the agent recorded, newest first, or the ends of containers. Works while the agent runs and after it stopped.",
    example: [
      "oomwitness list --since 2h",
      "oomwitness list --exits --pod cart-0",
      "oomwitness list --json --limit 1000",
    ],
    options: [
      text(
        "--exits",
        "the ends of containers, with verdicts, instead of kills",
        "OOMWITNESS_EXITS",
      ),
      ...owners,
      () =>
        new Option(
          "--since <moment>",
          "from then on: an age (30m, 2h, 7d) or 2026-11-20T23:10:05Z",
        ).env("OOMWITNESS_SINCE"),
      () => new Option("--until <moment>", "before then").env("OOMWITNESS_UNTIL"),
      () =>
        new Option("--limit <count>", "at most so many")
          .env("OOMWITNESS_LIMIT")
          .argParser(parseCount)
          .default(50),
      json,
      stateDir,
    ],
    load: () => import("./list.ts"),
  },
  {
    name: "show <id>",
    argumentAbout: "id of a kill, or its first characters",
    summary: "show everything known about one kill",
    about:
      "Shows everything known about one recorded kill, and what is not known. The first characters of the id are enough.",
    example: ["oomwitness show 4219-2"],
    options: [json, stateDir],
    load: () => import("./show.ts"),
  },
  {
    name: "explain [file...]",
    argumentAbout:
      "kernel logs of any form, also .gz and patterns such as '/var/log/kern*'; - is standard input; or the id of a recorded kill",
    summary: "explain the OOM kills in kernel logs",
    about:
      "Reads any text that holds a kernel log (dmesg, syslog, journal, container logs, a pasted mail) and explains each OOM kill in it: what ran out, who held it, why this victim, what to do. Works anywhere; needs no agent.",
    example: [
      "oomwitness explain /var/log/kern.log* --since 2d",
      "dmesg | oomwitness explain",
      "journalctl -k -o json | oomwitness explain --markdown",
    ],
    options: [
      json,
      () => new Option("--markdown", "print Markdown, for a ticket").env("OOMWITNESS_MARKDOWN"),
      () =>
        new Option("--list", "one line for each kill, numbered, instead of stories").env(
          "OOMWITNESS_LIST",
        ),
      () =>
        new Option("--kill <number>", "only the kill of that number or id").env("OOMWITNESS_KILL"),
      () =>
        new Option("--all", "tell every kind of kill in full, with the evidence").env(
          "OOMWITNESS_ALL",
        ),
      () =>
        new Option(
          "--since <moment>",
          "kills from then on: an age (30m, 2h, 7d) or 2026-11-20T23:10:05Z",
        ).env("OOMWITNESS_SINCE"),
      () =>
        new Option(
          "--pod <pod>",
          "only kills of this pod: its uid, its name, or namespace/name",
        ).env("OOMWITNESS_POD"),
      () => new Option("--unit <unit>", "only kills of this systemd unit").env("OOMWITNESS_UNIT"),
      () => new Option("--no-color", "no colours").env("OOMWITNESS_NO_COLOR"),
      stateDir,
    ],
    load: () => import("./explain.ts"),
  },
  {
    name: "doctor",
    summary: "say which sources work here, and what enables the others",
    about:
      "Tries every source on this machine and says for each that does not work why, and what enables it.",
    example: ["oomwitness doctor"],
    options: [
      json,
      seconds(
        "--patience <seconds>",
        "longest wait for a source; 5 s unless given",
        "OOMWITNESS_PATIENCE",
      ),
      stateDir,
      ...sockets,
      ...roots,
    ],
    load: () => import("./doctor.ts"),
  },
  {
    name: "selftest",
    summary: "make one real 15 MiB kill and show which source saw it",
    about:
      "Makes one real OOM kill in a cgroup of its own with a limit of 15 MiB, and shows which source saw it and how fast. Nothing else on the machine is touched. Needs root, or a cgroup delegated to the user.",
    example: ["sudo oomwitness selftest"],
    options: [
      json,
      seconds(
        "--patience <seconds>",
        "longest wait for the sources; 10 s unless given",
        "OOMWITNESS_PATIENCE",
      ),
      ...roots,
    ],
    load: () => import("./selftest.ts"),
  },
];

/** Runs the command line; the exit status. Throws `CliError` for what an operator can meet. */
export async function runProgram(words: readonly string[], context: Context): Promise<ExitStatus> {
  let status: ExitStatus = 0;
  const done = (value: ExitStatus) => {
    status = value;
  };
  const program = createProgram(context, done);
  try {
    await program.parseAsync([...words], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return endOfParsing(error);
  }
  return status;
}

/** Help and version are fine; whatever else commander refuses is wrong usage and has been printed. */
function endOfParsing(error: CommanderError): ExitStatus {
  return error.exitCode === 0 ? 0 : 2;
}

function createProgram(context: Context, done: (status: ExitStatus) => void): Command {
  const program = new Command("oomwitness")
    .description("Sees every OOM kill on this machine, exactly once: whose it was and why.")
    .version(context.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .exitOverride()
    .addHelpText("after", exampleText(["oomwitness watch", "oomwitness doctor"]))
    .showSuggestionAfterError(true);
  configure(program, context);
  for (const plan of PLANS) program.addCommand(createCommand(plan, context, done));
  return program;
}

function createCommand(
  plan: CommandPlan,
  context: Context,
  done: (status: ExitStatus) => void,
): Command {
  const [name = "", argument] = plan.name.split(" ");
  const command = new Command(name)
    .summary(plan.summary)
    .description(plan.about)
    .helpOption("-h, --help", "print help")
    .exitOverride()
    .addHelpText("after", exampleText(plan.example));
  if (argument !== undefined) command.argument(argument, plan.argumentAbout ?? "");
  for (const option of plan.options) command.addOption(option());
  configure(command, context);
  return command.action(async () => {
    const { run } = await plan.load();
    done(await run(context, command.opts<RawOptions>(), command.args));
  });
}

function exampleText(lines: readonly string[]): string {
  const title = lines.length === 1 ? "Example" : "Examples";
  return `\n${title}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

/** Output through our console; errors as one line with a stable code. */
function configure(command: Command, context: Context): void {
  const { console: out } = context;
  command.configureHelp({ styleTitle: (title) => paint("bold", title, out) });
  command.configureOutput({
    writeOut: (text) => out.write(text),
    writeErr: (text) => {
      for (const line of text.trimEnd().split("\n")) out.error(line);
    },
    getOutHelpWidth: () => Math.min(out.size().columns ?? 80, 100),
    getErrHelpWidth: () => Math.min(out.size().columns ?? 80, 100),
    getOutHasColors: () => out.colour,
    getErrHasColors: () => false,
    outputError: (text, write) => write(usageLine(text, command)),
  });
}

/** `error: unknown option '--jsn'\n(Did you mean --json?)` → one line that says what to do. */
function usageLine(text: string, command: Command): string {
  const sentence = text
    .replace(/^error: /, "")
    .trim()
    .replace(/\n\((.*)\)$/s, ". $1")
    .replaceAll("\n", " ")
    .replace(/\.$/, "");
  const stop = sentence.endsWith("?") ? "" : ".";
  const parent = command.parent === null ? "" : `${command.parent.name()} `;
  const error = new CliError(
    "E_USAGE",
    `${sentence}${stop} See '${parent}${command.name()} --help'.`,
  );
  return describeError(error).line;
}
