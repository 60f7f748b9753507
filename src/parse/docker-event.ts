import type { PodRecord } from "../model/record.ts";
import { isSandbox, MAX_TEXT, podOfLabels } from "./docker-labels.ts";
import { type JsonObject, member, objectIn, objectOf, parseJson, textIn } from "./json-value.ts";

/**
 * One line of `GET /events` (Docker 20.10; Podman's compatible API has the same form):
 *
 *     {"status":"die","id":"f4ec…","from":"hog:1","Type":"container","Action":"die","Actor":{"ID":"f4ec…","Attributes":
 *     {"exitCode":"137","image":"hog:1","name":"a1"}},"scope":"local","time":1795243962,"timeNano":1795243962168556311}
 *
 * The container's labels are mixed into the attributes, after `exitCode` and `signal` and before `image` and `name`: a label
 * `exitCode=3` changes what `die` says (measured with 20.10; daemon/events.go). So a code is believed only when no label can
 * have forged it, and inspect has the last word.
 */
export interface DockerEvent {
  readonly action: DockerAction;
  readonly id: string;
  /** When the daemon wrote the event, wall µs. */
  readonly wallMicroseconds: number;
  readonly name: string | null;
  readonly image: string | null;
  readonly pod: PodRecord | null;
  readonly sandbox: boolean;
  /** The attribute `exitCode`, which a label may have forged. */
  readonly exitCode: number | null;
}

/** `init`: a process was made and waits for its start; Podman alone tells it. */
export type DockerAction = "create" | "init" | "start" | "oom" | "die" | "destroy" | "rename";

/** Actions by their names in Docker, and in the compatible API of Podman where it has its own. */
const ACTIONS: ReadonlyMap<string, DockerAction> = new Map([
  ["create", "create"],
  ["start", "start"],
  ["oom", "oom"],
  ["die", "die"],
  ["died", "die"],
  ["destroy", "destroy"],
  ["remove", "destroy"],
  ["rename", "rename"],
]);

/** The names to ask the daemon for. */
export const EVENT_NAMES: readonly string[] = [...ACTIONS.keys()];

/** `null` for what is no event of a container's life. */
export function parseDockerEvent(line: string): DockerEvent | null {
  return parseEngineEvent(line, ACTIONS, () => "exitCode");
}

/**
 * An event of an engine that calls its actions so; `exitCodeIn` names the attribute with the exit code, `null` where the
 * action has none.
 */
export function parseEngineEvent(
  line: string,
  actions: ReadonlyMap<string, DockerAction>,
  exitCodeIn: (action: DockerAction) => string | null,
): DockerEvent | null {
  const event = objectOf(parseJson(line));
  if (event === null || member(event, "Type") !== "container") return null;
  const actor = objectIn(event, "Actor");
  const attributes = objectIn(actor, "Attributes");
  const action = actions.get(textIn(event, "Action", 32) ?? "");
  const id = containerId(member(actor, "ID"));
  const wallMicroseconds = eventTime(event);
  if (action === undefined || id === null || wallMicroseconds === null) return null;
  const codeName = exitCodeIn(action);
  return {
    action,
    id,
    wallMicroseconds,
    name: textIn(attributes, "name", MAX_TEXT),
    image: textIn(attributes, "image", MAX_TEXT),
    pod: podOfLabels(attributes),
    sandbox: isSandbox(attributes),
    exitCode: codeName === null ? null : exitCodeOf(attributes, codeName),
  };
}

/** A full container id: 64 hexadecimal digits. */
export function containerId(value: unknown): string | null {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value) ? value : null;
}

/** Nanoseconds since 1970 are beyond what a double holds; its error of 128 ns does not matter in microseconds. */
function eventTime(event: JsonObject): number | null {
  const nanoseconds = member(event, "timeNano");
  if (typeof nanoseconds !== "number" || !(nanoseconds > 0)) return null;
  const microseconds = Math.floor(nanoseconds / 1000);
  return Number.isSafeInteger(microseconds) ? microseconds : null;
}

function exitCodeOf(attributes: JsonObject | null, name: string): number | null {
  const text = textIn(attributes, name, 16) ?? "";
  const code = /^\d{1,3}$/.test(text) ? Number(text) : -1;
  return code >= 0 && code <= 255 ? code : null;
}
