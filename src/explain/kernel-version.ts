/** `6.1.0-30-cloud-amd64` as numbers, and what its vendor changed. */
export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Red Hat's kernels carry changes of much later ones under an old number. */
  readonly redHat: boolean;
  /** A daily snapshot of what may become Linux: `5.8.0-rc4-next-20200710`. */
  readonly unreleased: boolean;
}

/** The version in a release string; `null` when there is none in it. */
export function kernelVersion(release: string | null): KernelVersion | null {
  const match = /^(\d{1,3})\.(\d{1,3})(?:\.(\d{1,4}))?/.exec(release ?? "");
  if (match === null) return null;
  return {
    major: Number(match[1]),
    minor: Number(match[2]),
    patch: Number(match[3] ?? 0),
    redHat: /\.el\d/.test(release ?? ""),
    unreleased: /-next-\d{8}/.test(release ?? ""),
  };
}

/** Whether `version` is at least `major.minor.patch`. */
export function atLeast(version: KernelVersion, major: number, minor: number, patch = 0): boolean {
  if (version.major !== major) return version.major > major;
  if (version.minor !== minor) return version.minor > minor;
  return version.patch >= patch;
}
