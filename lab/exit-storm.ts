import type { LabDocker } from "./docker.ts";

/** How a container of the storm ends: by itself, by `docker kill`, or by the kernel for memory. */
export type Cause = "own-will" | "docker-kill" | "oom";

/** A container that ended, as Docker itself says in the end. */
export interface ContainerEnd {
  readonly id: string;
  readonly name: string;
  readonly cause: Cause;
  readonly exitCode: number;
  readonly oomKilled: boolean;
}

const LIMIT_MIB = 15;
/** One in ten is killed by hand, and one in ten by the kernel. */
const KINDS = 10;

/** So many containers, so many at once, each with one life that ends in a known way. */
export async function exitStorm(
  docker: LabDocker,
  { count, atOnce }: { readonly count: number; readonly atOnce: number },
  ended: (end: ContainerEnd) => void,
): Promise<void> {
  const image = await docker.importShell();
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) ended(await live(docker, image, index));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function live(docker: LabDocker, image: string, index: number): Promise<ContainerEnd> {
  const name = `exit-${index}`;
  const cause = causeOf(index);
  const limit = [`--memory=${LIMIT_MIB}m`, `--memory-swap=${LIMIT_MIB}m`];
  const options = ["--detach", "--network=none", `--name=${name}`, ...limit, image];
  const id = await docker.run("run", ...options, "sh", "-c", scriptOf(cause, index));
  if (cause === "docker-kill") await docker.run("kill", id);
  await docker.run("wait", id);
  const said = await docker.run("inspect", "--format={{.State.ExitCode}} {{.State.OOMKilled}}", id);
  const [exitCode = "", oomKilled = ""] = said.split(" ");
  return { id, name, cause, exitCode: Number(exitCode), oomKilled: oomKilled === "true" };
}

function causeOf(index: number): Cause {
  const kind = index % KINDS;
  return kind === 3 ? "docker-kill" : kind === 7 ? "oom" : "own-will";
}

/** What is killed for memory is the main process: the shell becomes `dd`. */
function scriptOf(cause: Cause, index: number): string {
  if (cause === "oom") return "sleep 2; exec dd if=/dev/zero of=/dev/null bs=20M";
  return cause === "docker-kill" ? "sleep 600" : `sleep 2; exit ${index % 100}`;
}
