import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LabContainerd } from "../../../lab/containerd.ts";
import type { ContainerDeath } from "../../../lab/pod-storm.ts";
import { TestAgent } from "./agent.ts";
import { EventStream } from "./event-stream.ts";

const OOMWITNESS = resolve(import.meta.dirname, "../../../bin/oomwitness");

/** An agent that follows this containerd and no other, with a trace of its own: other agents may run here. */
export function podAgent({ socket }: LabContainerd): Promise<TestAgent> {
  const variables = {
    OOMWITNESS_CONTAINERD_SOCKET: socket,
    OOMWITNESS_CRI_SOCKET: socket,
    OOMWITNESS_TRACE_INSTANCE: `oomwitness-pods-${process.pid}`,
  };
  const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return TestAgent.create(["env", ...words, OOMWITNESS]);
}

/** The agent's stream from now on. */
export async function openStream(agent: TestAgent): Promise<EventStream> {
  const stream = new EventStream(agent.url("/api/v1/events"));
  for (const until = Date.now() + 10_000; !stream.connected; await sleep(20)) {
    if (Date.now() > until) throw new Error("the event stream does not open");
  }
  return stream;
}

/** Waits until the end of each of these containers has been told, and a moment longer: nothing may come twice. */
export async function untilTold(
  { events }: EventStream,
  deaths: readonly ContainerDeath[],
): Promise<void> {
  const missing = new Set(deaths.map(({ id }) => id));
  let read = 0;
  for (const until = Date.now() + 30_000; missing.size > 0 && Date.now() < until; ) {
    for (; read < events.length; read++) {
      const record = events[read]?.record;
      if (record?.type === "exit") missing.delete(record.container.id);
    }
    await sleep(100);
  }
  await sleep(2_500);
}
