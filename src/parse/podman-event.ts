import { type DockerAction, type DockerEvent, parseEngineEvent } from "./docker-event.ts";

/** Podman has no event for an OOM kill, and one more for a process that was made and waits for its start. */
const ACTIONS: ReadonlyMap<string, DockerAction> = new Map([
  ["create", "create"],
  ["init", "init"],
  ["start", "start"],
  ["died", "die"],
  ["remove", "destroy"],
  ["rename", "rename"],
]);

/** The names to ask the service for. */
export const PODMAN_EVENT_NAMES: readonly string[] = [...ACTIONS.keys()];

/**
 * One line of `GET /libpod/events?stream=true` (Podman 4.3):
 *
 *     {"status":"died","id":"4ff8…","from":"localhost/bomb:1","Type":"container","Action":"died","Actor":{"ID":"4ff8…",
 *     "Attributes":{"containerExitCode":"137","exitCode":"3","image":"localhost/bomb:1","name":"m1","podId":""}},
 *     "scope":"local","time":1795245869,"timeNano":1795245869623720606}
 *
 * The labels are among the attributes (`exitCode` is one here); they cannot replace Podman's own, of which
 * `containerExitCode` is always there and means something when the container died.
 */
export function parsePodmanEvent(line: string): DockerEvent | null {
  return parseEngineEvent(line, ACTIONS, (action) =>
    action === "die" ? "containerExitCode" : null,
  );
}
