import { parseDockerInspect, parseDockerListed } from "../parse/docker-container.ts";
import { EVENT_NAMES, parseDockerEvent } from "../parse/docker-event.ts";
import { createEngineSource, type EngineKind } from "./engine.ts";
import type { Source, SourceOptions } from "./source.ts";

const FILTERS = encodeURIComponent(JSON.stringify({ type: ["container"], event: EVENT_NAMES }));

const DOCKER: EngineKind = {
  name: "docker",
  places: {
    system: ["/run/docker.sock", "/var/run/docker.sock"],
    perUser: ["docker.sock"],
    // Docker's own rootless and desktop sockets, and Rancher Desktop's.
    home: [".docker/run/docker.sock", ".rd/docker.sock"],
    others: ["/run/podman/podman.sock"],
  },
  remedies: {
    absent: "Start Docker, mount its socket here, or say where it is with --docker-socket.",
    forbidden: "Run as root or as a member of the group docker.",
  },
  // Of any version: paths without one.
  dialect: {
    events: (since) => `/events?filters=${FILTERS}${since === null ? "" : `&since=${since}`}`,
    list: "/containers/json?all=1",
    inspect: (id) => `/containers/${id}/json`,
    ping: "/_ping",
    parseEvent: parseDockerEvent,
    parseListed: parseDockerListed,
    parseInspect: parseDockerInspect,
  },
};

/** Containers, their exits and what Docker says of OOM kills: Engine API events, list and inspect. */
export function createDockerSource(options: SourceOptions): Source {
  return createEngineSource(DOCKER, options);
}
