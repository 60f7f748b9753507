import type { PodRecord } from "../model/record.ts";
import { shortText } from "../std/short-text.ts";
import { containerId } from "./docker-event.ts";
import { isSandbox, MAX_TEXT, podOfLabels } from "./docker-labels.ts";
import {
  countIn,
  flagIn,
  type JsonObject,
  member,
  objectIn,
  objectOf,
  parseJson,
  textIn,
} from "./json-value.ts";
import { parseRfc3339 } from "./rfc3339.ts";

/** What Docker says of a container in a list and in an inspect: unknown is `null`. */
export interface DockerContainer {
  readonly id: string;
  readonly name: string | null;
  readonly image: string | null;
  readonly imageId: string | null;
  readonly pod: PodRecord | null;
  readonly sandbox: boolean;
}

/**
 * `GET /containers/ID/json`, of which this is used (Docker 20.10):
 *
 *     {"Id":"4c26…","State":{"Status":"running","Running":true,"OOMKilled":false,"Pid":1778,"ExitCode":0,
 *     "StartedAt":"2026-11-21T06:52:42.566474123Z","FinishedAt":"0001-01-01T00:00:00Z"},"Image":"sha256:1e91…","Name":"/a3",
 *     "RestartCount":0,"Config":{"Image":"hog:1","Labels":{}}}
 *
 * `ExitCode` is 0 while it runs; `FinishedAt` is of the run before. `OOMKilled` sticks until the next start.
 */
export interface DockerInspect extends DockerContainer {
  readonly restarts: number | null;
  readonly running: boolean;
  /** Of the main process; `null` when it is not there. */
  readonly mainPid: number | null;
  readonly exitCode: number | null;
  readonly oomKilled: boolean | null;
  /** Wall µs; `null`: never. */
  readonly startedMicroseconds: number | null;
  readonly finishedMicroseconds: number | null;
}

export function parseDockerInspect(text: string): DockerInspect | null {
  return inspectOf(objectOf(parseJson(text)));
}

/** The same of an answer that was read already. */
export function inspectOf(inspect: JsonObject | null): DockerInspect | null {
  const id = containerId(member(inspect, "Id"));
  if (inspect === null || id === null) return null;
  const [config, state] = [objectIn(inspect, "Config"), objectIn(inspect, "State")];
  const labels = objectIn(config, "Labels");
  return {
    id,
    name: nameOf(textIn(inspect, "Name", MAX_TEXT)),
    image: textIn(config, "Image", MAX_TEXT),
    imageId: textIn(inspect, "Image", MAX_TEXT),
    pod: podOfLabels(labels),
    sandbox: isSandbox(labels),
    restarts: countIn(inspect, "RestartCount"),
    ...stateOf(state),
  };
}

function stateOf(state: JsonObject | null) {
  const pid = countIn(state, "Pid") ?? 0;
  // A container that waits for its restart is called running, and has no process.
  const running = flagIn(state, "Running") === true && pid > 0;
  const exitCode = countIn(state, "ExitCode");
  return {
    running,
    mainPid: running ? pid : null,
    exitCode: exitCode !== null && exitCode <= 255 ? exitCode : null,
    oomKilled: flagIn(state, "OOMKilled"),
    startedMicroseconds: parseRfc3339(textIn(state, "StartedAt", 64) ?? ""),
    finishedMicroseconds: parseRfc3339(textIn(state, "FinishedAt", 64) ?? ""),
  };
}

/**
 * `GET /containers/json?all=1`:
 *
 *     [{"Id":"4c26…","Names":["/a3"],"Image":"hog:1","ImageID":"sha256:1e91…","Labels":{},"State":"exited"}]
 */
export interface DockerListed extends DockerContainer {
  /** It has, or may have, a process. */
  readonly active: boolean;
}

/** One element of that list; `null` when it is no container. */
export function parseDockerListed(text: string): DockerListed | null {
  return listedOf(objectOf(parseJson(text)));
}

const WITHOUT_PROCESS = ["created", "configured", "exited", "dead"];

export function listedOf(element: JsonObject | null): DockerListed | null {
  const id = containerId(member(element, "Id"));
  if (id === null) return null;
  const labels = objectIn(element, "Labels");
  const image = textIn(element, "Image", MAX_TEXT);
  return {
    id,
    name: nameOf(firstName(element)),
    // Without a tag the list has the id in its place; an inspect has the name it was made from.
    image: image?.startsWith("sha256:") ? null : image,
    imageId: textIn(element, "ImageID", MAX_TEXT),
    pod: podOfLabels(labels),
    sandbox: isSandbox(labels),
    active: !WITHOUT_PROCESS.includes(textIn(element, "State", 32) ?? ""),
  };
}

/** Of several names (legacy links: `/other/alias`) the one without a second slash. */
function firstName(element: JsonObject | null): string | null {
  const names = member(element, "Names");
  if (!Array.isArray(names)) return null;
  const texts = names.filter((name: unknown): name is string => typeof name === "string");
  const name = texts.find((text) => !text.slice(1).includes("/")) ?? texts[0];
  return name === undefined || name === "" ? null : shortText(name, MAX_TEXT).toWellFormed();
}

function nameOf(name: string | null): string | null {
  if (name === null || name === "/") return null;
  return name.startsWith("/") ? name.slice(1) : name;
}
