/** Runtimes and servers told by the name of their process, and the setting that bounds each. */
export interface Runtime {
  /** In a sentence: `the Java virtual machine`. */
  readonly name: string;
  readonly pattern: RegExp;
  /** What to set; with figures when the limit is known. */
  readonly setting: (limitBytes: number | null) => string;
  readonly reason: string;
}

const MIB = 1024 * 1024;

/** A share of the limit as a program's option wants it, in MiB; `null` when there is no limit to share. */
function part(limitBytes: number | null, share: number): number | null {
  return limitBytes === null ? null : Math.max(1, Math.floor((limitBytes * share) / MIB));
}

/** One sentence with the figure, one without. */
function sized(
  share: number,
  withSize: (mebibytes: number) => string,
  without: string,
): Runtime["setting"] {
  return (limitBytes) => {
    const mebibytes = part(limitBytes, share);
    return mebibytes === null ? without : withSize(mebibytes);
  };
}

/** `kernel comm` has at most 15 characters: long names are cut (`clickhouse-serv`). */
export const RUNTIMES: readonly Runtime[] = [
  {
    name: "a Java virtual machine",
    pattern: /^(?:java|javac|jsvc|kafka|C[12] CompilerThre|GC Thread#\d+|G1 .*)$/,
    setting: sized(
      0.7,
      (size) =>
        `Set -XX:MaxRAMPercentage=70 (here -Xmx${size}m) and bound what is beside the heap (-XX:MaxMetaspaceSize, MaxDirectMemorySize).`,
      "Set -Xmx, and bound what is beside the heap (-XX:MaxMetaspaceSize, -XX:MaxDirectMemorySize).",
    ),
    reason:
      "The heap is only a part: metaspace, code, threads and direct buffers come on top of -Xmx and must fit as well.",
  },
  {
    name: "Node.js",
    pattern:
      /^(?:node|nodejs|npm(?: .*)?|yarn|pnpm|MainThread|node-MainThread|next-server.*|next-router-wor|tsc|webpack|vite)$/,
    setting: sized(
      0.75,
      (size) => `Set NODE_OPTIONS=--max-old-space-size=${size} (three quarters of the limit).`,
      "Set NODE_OPTIONS=--max-old-space-size to what its heap may take.",
    ),
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
    setting: sized(
      0.9,
      (size) => `Set GOMEMLIMIT=${size}MiB (nine tenths of the limit).`,
      "Set GOMEMLIMIT to what it may take.",
    ),
    reason:
      "Without it the garbage collector lets the heap double before it runs, whatever the container allows.",
  },
  {
    name: "PostgreSQL",
    pattern: /^(?:postgres|postmaster|postgres: .*)$/,
    setting: sized(
      0.25,
      (size) =>
        `Lower work_mem, max_connections or shared_buffers (a quarter of the limit: ${size}MB), and pool connections.`,
      "Lower work_mem, max_connections or shared_buffers, and pool connections.",
    ),
    reason:
      "Every sort or hash of every connection may take work_mem; one killed backend makes the server restart them all.",
  },
  {
    name: "Redis",
    pattern: /^(?:redis-server|redis|valkey-server|keydb-server)$/,
    setting: sized(
      0.6,
      (size) => `Set maxmemory ${size}mb (60 % of the limit) and a maxmemory-policy.`,
      "Set maxmemory and a maxmemory-policy.",
    ),
    reason:
      "A snapshot forks, and pages written meanwhile exist twice; fragmentation comes on top of maxmemory.",
  },
  {
    name: "MySQL or MariaDB",
    pattern: /^(?:mysqld|mariadbd|mysqld_safe)$/,
    setting: sized(
      0.6,
      (size) =>
        `Lower innodb_buffer_pool_size (at most 60 % of the limit: ${size}M) and the buffers per connection.`,
      "Lower innodb_buffer_pool_size and the buffers per connection.",
    ),
    reason:
      "The buffer pool is allocated whole, and each connection adds sort, join and read buffers.",
  },
  {
    name: "MongoDB",
    pattern: /^(?:mongod|mongos)$/,
    setting: sized(
      0.5,
      (size) =>
        `Set storage.wiredTiger.engineConfig.cacheSizeGB to ${(size / 1024).toFixed(2)} (half of the limit).`,
      "Set storage.wiredTiger.engineConfig.cacheSizeGB to what its cache may take.",
    ),
    reason: "Its cache is sized by the machine's memory unless told otherwise.",
  },
  {
    name: "ClickHouse",
    pattern: /^clickhouse.*$/,
    setting: sized(
      0.85,
      (size) =>
        `Set max_server_memory_usage to ${size} MiB, in bytes (85 % of the limit), and max_memory_usage per query.`,
      "Set max_server_memory_usage, and max_memory_usage per query.",
    ),
    reason: "It then refuses a query instead of being killed.",
  },
  {
    name: "an Erlang machine (RabbitMQ, CouchDB)",
    pattern: /^beam\.smp$/,
    setting: () => "Set vm_memory_high_watermark.absolute (RabbitMQ) to what it may take.",
    reason:
      "The relative watermark is taken from the machine's memory unless the container's limit is seen.",
  },
  {
    name: "PHP or a web server with workers",
    pattern: /^(?:php-fpm.*|php[\d.]*|apache2|httpd)$/,
    setting: () =>
      "Lower the number of workers (pm.max_children, MaxRequestWorkers): memory divided by the size of one.",
    reason: "Workers times their size is what the server may take at its busiest.",
  },
  {
    name: ".NET",
    pattern: /^(?:dotnet|mono|\.NET .*)$/,
    setting: sized(
      0.75,
      (size) => `Set DOTNET_GCHeapHardLimitPercent=4B (hexadecimal for 75 %, here ${size} MiB).`,
      "Set DOTNET_GCHeapHardLimit to what its heap may take.",
    ),
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
      "Count the machine's overhead (several hundred MiB beside its RAM), or give the guest less RAM.",
    reason:
      "To this kernel the guest's whole memory belongs to one process; the guest is not told.",
  },
  {
    name: "memcached",
    pattern: /^memcached$/,
    setting: sized(
      0.8,
      (size) => `Set -m ${size} (four fifths of the limit).`,
      "Set -m to what its items may take.",
    ),
    reason: "-m counts items; connections and the hash table come on top.",
  },
];

/** The runtime behind a process name; `null` when it is not recognised. */
export function runtimeOf(comm: string | null): Runtime | null {
  if (comm === null) return null;
  return RUNTIMES.find((runtime) => runtime.pattern.test(comm)) ?? null;
}
