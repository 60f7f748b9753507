import { parsePodmanInspect, parsePodmanListed } from "../parse/podman-container.ts";
import { PODMAN_EVENT_NAMES, parsePodmanEvent } from "../parse/podman-event.ts";
import { createEngineSource, type EngineKind } from "./engine.ts";
import type { Source, SourceOptions } from "./source.ts";

/** Any version will do: the service takes the path of every one, from Podman 3 on. */
const API = "/v4.0.0/libpod";
const FILTERS = encodeURIComponent(
  JSON.stringify({ type: ["container"], event: PODMAN_EVENT_NAMES }),
);

const PODMAN: EngineKind = {
  name: "podman",
  places: {
    system: ["/run/podman/podman.sock"],
    perUser: ["podman/podman.sock"],
    home: [],
    others: [],
  },
  remedies: {
    absent:
      "Start Podman's service (systemctl enable --now podman.socket), mount its socket here, or say where it is with --podman-socket.",
    forbidden: "Run as root or as the user whose containers they are.",
  },
  dialect: {
    events: (since) =>
      `${API}/events?stream=true&filters=${FILTERS}${since === null ? "" : `&since=${since}`}`,
    list: `${API}/containers/json?all=true`,
    inspect: (id) => `${API}/containers/${id}/json`,
    ping: `${API}/_ping`,
    parseEvent: parsePodmanEvent,
    parseListed: parsePodmanListed,
    parseInspect: parsePodmanInspect,
  },
};

/** Containers of Podman and their exits, from its API service: libpod events, list and inspect. */
export function createPodmanSource(options: SourceOptions): Source {
  return createEngineSource(PODMAN, options);
}
