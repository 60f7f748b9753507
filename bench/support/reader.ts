/**
 * A reader of /api/v1/events in a process of its own: notes when each piece arrives and nothing else until its standard
 * input ends; then prints one JSON line a kill. `reader.ts URL [NICE]`.
 */
import { get } from "node:http";
import { setPriority } from "node:os";
import { createHost } from "../../src/host/real.ts";

const [url = "", nice = "0"] = process.argv.slice(2);
const { clock } = createHost();
const pieces: { readonly bytes: Buffer; readonly at: number }[] = [];

setPriority(Number(nice));
const request = get(url, (response) => {
  process.stdout.write("connected\n");
  response.on("data", (bytes: Buffer) => {
    pieces.push({ bytes, at: clock.wallMicroseconds() });
  });
  response.on("error", () => {});
});
request.on("error", () => {});
process.stdin.resume();
process.stdin.on("end", () => {
  request.destroy();
  for (const line of arrivals()) process.stdout.write(`${line}\n`);
});

/** Each frame with the moment its last byte came. */
function arrivals(): string[] {
  let text = "";
  return pieces.flatMap(({ bytes, at }) => {
    const frames = (text + bytes.toString("utf8")).split("\n\n");
    text = frames.pop() ?? "";
    return frames.flatMap((frame) => {
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      return data === undefined ? [] : [`{"arrived":${at},"record":${data}}`];
    });
  });
}
