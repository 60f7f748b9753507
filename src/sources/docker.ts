import { createEngineSource, type EngineKind } from "./engine.ts";
import type { Source, SourceOptions } from "./source.ts";

const DOCKER: EngineKind = {
  name: "docker",
  places: {
    system: ["/run/docker.sock", "/var/run/docker.sock"],
    perUser: ["docker.sock"],
    // Docker's own rootless and desktop sockets, and Rancher Desktop's.
    home: [".docker/run/docker.sock", ".rd/docker.sock"],
  },
  remedies: {
    absent: "Start Docker, mount its socket here, or say where it is with --docker-socket.",
    forbidden: "Run as root or as a member of the group docker.",
  },
};

/** Containers, their exits and what Docker says of OOM kills: Engine API events, list and inspect. */
export function createDockerSource(options: SourceOptions): Source {
  return createEngineSource(DOCKER, options);
}
