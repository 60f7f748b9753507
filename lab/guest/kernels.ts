import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { CACHE_DIRECTORY } from "./paths.ts";

/** A kernel the guest can boot. `machine`: 6.1 boots in 2 s as a microvm; newer ones want QEMU's PC. */
export interface GuestKernel {
  /** `6.1`, `6.12`, … */
  readonly name: string;
  readonly path: string;
  readonly machine: "microvm" | "pc";
}

/** All kernels present: Debian's cloud kernels in /boot and those fetched into the cache; oldest first. */
export function findKernels(): GuestKernel[] {
  const found = [...imagesIn("/boot"), ...imagesIn(join(CACHE_DIRECTORY, "kernels"))];
  const byName = new Map<string, GuestKernel>();
  for (const path of found) {
    const kernel = describe(path);
    if (kernel !== null) byName.set(kernel.name, kernel);
  }
  return [...byName.values()].sort((a, b) => order(a.name) - order(b.name));
}

/** The kernel with this name (`6.1`) or at this path; without one, the installed default. `null` if there is none. */
export function findKernel(wanted: string | undefined): GuestKernel | null {
  if (wanted?.startsWith("/")) return describe(wanted);
  const kernels = findKernels();
  if (wanted !== undefined) return kernels.find((kernel) => kernel.name === wanted) ?? null;
  return kernels.find((kernel) => kernel.path.startsWith("/boot/")) ?? kernels[0] ?? null;
}

function imagesIn(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory).filter((name) => /^vmlinuz-.*cloud-amd64$/.test(name));
  return names.map((name) => join(directory, name)).sort();
}

function describe(path: string): GuestKernel | null {
  const match = /vmlinuz-(\d+)\.(\d+)/.exec(path);
  if (match === null || !existsSync(path)) return null;
  const name = `${match[1]}.${match[2]}`;
  return { name, path, machine: order(name) <= order("6.1") ? "microvm" : "pc" };
}

function order(name: string): number {
  const [major, minor] = name.split(".").map(Number);
  return (major ?? 0) * 1000 + (minor ?? 0);
}
