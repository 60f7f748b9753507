/** Runtimes and servers told by the name of their process, and the setting that bounds each. */
import { bytesText } from "./words.ts";

export interface Runtime {
  /** In a sentence: `the Java virtual machine`. */
  readonly name: string;
  readonly pattern: RegExp;
  /** What to set; with figures when the limit is known. */
  readonly setting: (limitBytes: number | null) => string;
  readonly reason: string;
}

const MIB = 1024 * 1024;

/** `, here 384 MiB`, for a share of the limit. */
function share(limitBytes: number | null, part: number): string {
  return limitBytes === null
    ? ""
    : `, here ${bytesText(Math.floor((limitBytes * part) / MIB) * MIB)}`;
}

/** `kernel comm` has at most 15 characters: long names are cut (`clickhouse-serv`). */
export const RUNTIMES: readonly Runtime[] = [
  {
    name: "a Java virtual machine",
    pattern: /^(?:java|javac|jsvc|kafka|C[12] CompilerThre|GC Thread#\d+|G1 .*)$/,
    setting: (limit) =>
      `Set -XX:MaxRAMPercentage=70 (or -Xmx${share(limit, 0.7).replace(", here ", " ")}) and bound what is beside the heap (-XX:MaxMetaspaceSize, MaxDirectMemorySize).`,
    reason:
      "The heap is only a part: metaspace, code, threads and direct buffers come on top of -Xmx and must fit below the limit.",
  },
  {
    name: "Node.js",
    pattern:
      /^(?:node|nodejs|npm(?: .*)?|yarn|pnpm|MainThread|node-MainThread|next-server.*|next-router-wor|tsc|webpack|vite)$/,
    setting: (limit) =>
      `Set NODE_OPTIONS=--max-old-space-size to three quarters of the limit${share(limit, 0.75)}.`,
    reason:
      "Older Node versions size the heap by the machine, not by the container; buffers live outside the heap.",
  },
  {
    name: "Python",
    pattern:
      /^(?:python[\d.]*|gunicorn.*|uwsgi|celery.*|\[celeryd.*|uvicorn|jupyter.*|ipykernel.*|airflow.*|pytest)$/,
    setting: () =>
      "Bound workers and what one takes (gunicorn --max-requests, celery --max-memory-per-child), or read data in pieces.",
    reason:
      "Python has no heap limit of its own and seldom gives memory back; each worker has a copy of everything.",
  },
  {
    name: "Ruby",
    pattern: /^(?:ruby[\d.]*|puma.*|sidekiq.*|unicorn.*|rails|bundle|fluentd|fluent.*|rake)$/,
    setting: () =>
      "Set MALLOC_ARENA_MAX=2 or use jemalloc, and bound workers and buffers (fluentd: total_limit_size, chunk_limit_size).",
    reason:
      "glibc's arenas fragment Ruby's heap; a worker restarted by its supervisor grows again the same way.",
  },
  {
    name: "a Go program",
    pattern:
      /^(?:prometheus|etcd|dockerd|containerd|kubelet|traefik|grafana.*|loki|vault|consul|influxd|coredns|kube-.*|thanos|telegraf|minio|caddy|cockroach|otelcol.*|promtail|victoria-metric|argocd.*|terraform|gitea|k3s.*|nomad)$/,
    setting: (limit) => `Set GOMEMLIMIT to nine tenths of the limit${share(limit, 0.9)}.`,
    reason:
      "Without it the garbage collector lets the heap double before it runs, whatever the container allows.",
  },
  {
    name: "PostgreSQL",
    pattern: /^(?:postgres|postmaster|postgres: .*)$/,
    setting: (limit) =>
      `Lower work_mem, max_connections or shared_buffers (a quarter of the limit${share(limit, 0.25)}), and pool connections.`,
    reason:
      "Every sort or hash of every connection may take work_mem; one killed backend makes the server restart them all.",
  },
  {
    name: "Redis",
    pattern: /^(?:redis-server|redis|valkey-server|keydb-server)$/,
    setting: (limit) =>
      `Set maxmemory to about 60 % of the limit${share(limit, 0.6)} and a maxmemory-policy.`,
    reason:
      "A snapshot forks, and pages written meanwhile exist twice; fragmentation comes on top of maxmemory.",
  },
  {
    name: "MySQL or MariaDB",
    pattern: /^(?:mysqld|mariadbd|mysqld_safe)$/,
    setting: (limit) =>
      `Lower innodb_buffer_pool_size (60 % of what it may have${share(limit, 0.6)}) and the buffers per connection.`,
    reason:
      "The buffer pool is allocated whole, and each connection adds sort, join and read buffers.",
  },
  {
    name: "MongoDB",
    pattern: /^(?:mongod|mongos)$/,
    setting: (limit) =>
      `Set storage.wiredTiger.engineConfig.cacheSizeGB to half of the limit${share(limit, 0.5)}.`,
    reason: "Its cache is sized by the machine's memory unless told otherwise.",
  },
  {
    name: "ClickHouse",
    pattern: /^clickhouse.*$/,
    setting: (limit) =>
      `Set max_server_memory_usage below the limit${share(limit, 0.85)} and max_memory_usage per query.`,
    reason: "It then refuses a query instead of being killed.",
  },
  {
    name: "an Erlang machine (RabbitMQ, CouchDB)",
    pattern: /^beam\.smp$/,
    setting: () => "Set vm_memory_high_watermark.absolute (RabbitMQ) well below the limit.",
    reason:
      "The relative watermark is taken from the machine's memory unless the container's limit is seen.",
  },
  {
    name: "PHP or a web server with workers",
    pattern: /^(?:php-fpm.*|php[\d.]*|apache2|httpd)$/,
    setting: () =>
      "Lower the number of workers (pm.max_children, MaxRequestWorkers) to limit divided by the size of one.",
    reason: "Workers times their size is what the server may take at its busiest.",
  },
  {
    name: ".NET",
    pattern: /^(?:dotnet|mono|\.NET .*)$/,
    setting: (limit) => `Set DOTNET_GCHeapHardLimitPercent=75 (0x4B)${share(limit, 0.75)}.`,
    reason: "The collector then works harder before it grows; native memory comes on top.",
  },
  {
    name: "a browser",
    pattern:
      /^(?:chrome.*|chromium.*|firefox.*|Web Content|Isolated Web Co|WebExtensions|headless_shell|electron|code|slack|brave|msedge|GPU Process)$/,
    setting: () =>
      "Open fewer pages at a time, or restart the browser after a number of pages (in containers also: a larger /dev/shm).",
    reason:
      "Each page is a process; browsers mark those they can spare with a high oom_score_adj, so a tab dies first.",
  },
  {
    name: "a compiler or build tool",
    pattern:
      /^(?:cc1(?:plus|obj)?|ld(?:\.(?:lld|gold|bfd))?|lld|mold|rustc|cargo|clang(?:\+\+)?[\d.-]*|lto1.*|ninja|make|ghc|compile|link|nvcc|cicc|doxygen|bazel.*|swift-frontend|as)$/,
    setting: () =>
      "Build with fewer jobs at a time (make -j, ninja -j, CARGO_BUILD_JOBS), above all for linking.",
    reason:
      "Jobs default to the number of CPUs of the machine, whatever memory there is; one job may take gigabytes.",
  },
  {
    name: "a virtual machine",
    pattern: /^(?:qemu.*|kvm|firecracker|cloud-hyperviso|VBoxHeadless|VirtualBoxVM)$/,
    setting: () =>
      "Count the machine's overhead (several hundred MiB beside its RAM) into the limit, or give the guest less RAM.",
    reason:
      "To this kernel the guest's whole memory belongs to one process; the guest is not told.",
  },
  {
    name: "memcached",
    pattern: /^memcached$/,
    setting: (limit) => `Set -m to four fifths of the limit${share(limit, 0.8)}.`,
    reason: "-m counts items; connections and the hash table come on top.",
  },
];

/** The runtime behind a process name; `null` when it is not recognised. */
export function runtimeOf(comm: string | null): Runtime | null {
  if (comm === null) return null;
  return RUNTIMES.find((runtime) => runtime.pattern.test(comm)) ?? null;
}
