import { type DockerInspect, type DockerListed, inspectOf, listedOf } from "./docker-container.ts";
import {
  countIn,
  flagIn,
  type JsonObject,
  objectIn,
  objectOf,
  parseJson,
  textIn,
} from "./json-value.ts";

/**
 * `GET /libpod/containers/ID/json` (Podman 4.3), of which these differ from Docker's:
 *
 *     {"Id":"67a5…","State":{"Status":"initialized","Running":false,"OOMKilled":false,"Pid":14993,
 *     "StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"},"Image":"1771…","Name":"c1","IsInfra":false}
 *
 * While a container is `initialized` its process is there and waits, and both times are of the run before. `OOMKilled` stays
 * false where conmon missed the kill (2.1 with cgroup v1: always).
 */
export function parsePodmanInspect(text: string): DockerInspect | null {
  const object = objectOf(parseJson(text));
  const inspect = inspectOf(object);
  if (inspect === null) return null;
  const described = withOwnWords(inspect, object);
  const state = objectIn(object, "State");
  const pid = countIn(state, "Pid") ?? 0;
  if (textIn(state, "Status", 32) !== "initialized" || pid === 0) return described;
  return { ...described, running: true, mainPid: pid, startedMicroseconds: null };
}

/**
 * `GET /libpod/containers/json?all=true`:
 *
 *     [{"Id":"4ff8…","Names":["m1"],"Image":"localhost/bomb:1","ImageID":"1771…","IsInfra":false,"Labels":null,
 *     "State":"exited"}]
 *
 * One element of it.
 */
export function parsePodmanListed(text: string): DockerListed | null {
  const element = objectOf(parseJson(text));
  const listed = listedOf(element);
  return listed === null ? null : withOwnWords(listed, element);
}

/** The id of the image is told without its algorithm; the pause container of a pod is called `infra`. */
function withOwnWords<T extends DockerListed | DockerInspect>(
  told: T,
  object: JsonObject | null,
): T {
  const { imageId } = told;
  const bare = imageId !== null && /^[0-9a-f]{64}$/.test(imageId);
  const sandbox = told.sandbox || flagIn(object, "IsInfra") === true;
  return { ...told, imageId: bare ? `sha256:${imageId}` : imageId, sandbox };
}
