import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./agent.ts";

/** Why no Prometheus can be run here; `null` when it can. */
export function whyNoPrometheus(): string | null {
  for (const program of ["prometheus", "promtool"]) {
    const { error } = spawnSync(program, ["--version"]);
    if (error !== undefined) return `${program} is not installed: apt-get install prometheus`;
  }
  return null;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A real Prometheus on a port and a directory of its own, that scrapes one target every second. */
export class TestPrometheus {
  readonly #directory = mkdtempSync(join(tmpdir(), "oomwitness-prometheus-"));
  readonly #port: number;
  #child: ChildProcess | null = null;
  #output = "";

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(targetPort: number): Promise<TestPrometheus> {
    const prometheus = new TestPrometheus(await freePort());
    try {
      await prometheus.#start(targetPort);
      return prometheus;
    } catch (error) {
      await prometheus.dispose();
      throw error;
    }
  }

  /** An instant query, at a moment (Unix seconds) or now. */
  async query(expression: string, at: number | null = null): Promise<Sample[]> {
    const parameters = new URLSearchParams({ query: expression });
    if (at !== null) parameters.set("time", String(at));
    const response = await fetch(`http://127.0.0.1:${this.#port}/api/v1/query?${parameters}`);
    const body: unknown = await response.json();
    if (!response.ok) throw new Error(`${expression}: ${JSON.stringify(body)}`);
    return samplesOf(body);
  }

  /** When the last scrape that was answered took place (Unix seconds): the instant of its samples. `null` before the first. */
  async lastScrape(): Promise<number | null> {
    const [sample] = await this.query("timestamp(up) and up == 1");
    return sample?.value ?? null;
  }

  /** Waits until so many more scrapes were answered; the instant of the last. */
  async scrapes(count: number): Promise<number> {
    let last = await this.lastScrape();
    for (let done = 0; done < count; done++) {
      const before = last;
      await this.#until(async () => {
        last = await this.lastScrape();
        return last !== null && last !== before;
      });
    }
    return last ?? 0;
  }

  async dispose(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  async #start(targetPort: number): Promise<void> {
    const file = join(this.#directory, "prometheus.yml");
    const scrape = `{job_name: oomwitness, static_configs: [{targets: ["127.0.0.1:${targetPort}"]}]}`;
    writeFileSync(file, `global: {scrape_interval: 1s}\nscrape_configs: [${scrape}]\n`);
    const child = spawn(
      "prometheus",
      [
        `--config.file=${file}`,
        `--storage.tsdb.path=${this.#directory}/data`,
        `--web.listen-address=127.0.0.1:${this.#port}`,
        "--log.level=warn",
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    child.on("error", () => undefined);
    child.stderr.on("data", (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-4_000);
    });
    this.#child = child;
    await this.#until(async () => (await this.lastScrape()) !== null);
  }

  async #until(reached: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 30_000;
    while (Date.now() < deadline) {
      if (await reached().catch(() => false)) return;
      await sleep(100);
    }
    throw new Error(`Prometheus does not scrape: ${this.#output}`);
  }
}

/** `{"data": {"result": [{"metric": {"pod": "a"}, "value": [1795216205.1, "3"]}]}}` */
function samplesOf(body: unknown): Sample[] {
  const result = field(field(body, "data"), "result");
  if (!Array.isArray(result)) throw new Error(`no vector: ${JSON.stringify(body)}`);
  return result.map((one: unknown) => {
    const value = field(one, "value");
    const labels = Object.entries(Object(field(one, "metric")));
    return {
      labels: Object.fromEntries(labels.map(([name, text]) => [name, String(text)])),
      value: Number(Array.isArray(value) ? value[1] : Number.NaN),
    };
  });
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}
