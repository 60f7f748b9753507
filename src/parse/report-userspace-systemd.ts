/**
 * What systemd-oomd and the managers of units say of one killing (src/oom/oomd-manager.c, src/core/unit.c):
 *
 *     Killed /user.slice/app.scope due to memory pressure for /user.slice being 62.48% > 50.00% for > 20s with …   … 259
 *     Marked /user.slice/app.scope for killing due to memory pressure for /user.slice being 62.48% > 50.00% …      260
 *     Marked /user.slice/app.scope for killing due to memory used (…) / total (…) and swap used (…) / total (…) …
 *     app.scope: systemd-oomd killed 19 process(es) in this unit.
 *     app.scope: systemd-oomd killed some process(es) in this unit.
 *
 * `oomd attempting to kill 407 with KILL` of its debugging tells nothing that these do not.
 */
import { type Told, told } from "./report-userspace-told.ts";

/** Units that were named lately and not yet a second time. */
const KEPT = 64;
/** The candidates that were considered may stand between the two lines, when the manager's is written first. */
const MAX_LINES_BETWEEN = 100;
const KILLED =
  /(?:Killed (\/\S{1,1000})|Marked (\/\S{1,1000}) for killing) due to ((?:memory|swap) (?:pressure|used)[^\n]{0,200})/;
const UNIT =
  /(\S{1,255}): systemd-oomd killed (?:\d{1,7} process(?:\(es\)|es)?|some process\(es\)) in this unit/;

/** Two lines tell of each killing, in either order; each alone is enough. */
export class SystemdOomd {
  /** Cgroups that the manager has not spoken of yet, by the name of the unit. */
  readonly #announced = new Map<string, number>();
  /** Units of which only the manager spoke. */
  readonly #managed = new Map<string, number>();

  /** `repeated`: a killing that was told. */
  read(text: string, line: number): Told | "repeated" | null {
    const killed = KILLED.exec(text);
    const cgroupPath = killed?.[1] ?? killed?.[2] ?? null;
    if (cgroupPath !== null) {
      const unit = cgroupPath.split("/").at(-1) ?? "";
      const since = line - (this.#managed.get(unit) ?? Number.NEGATIVE_INFINITY);
      if (this.#managed.delete(unit) && since <= MAX_LINES_BETWEEN) return "repeated";
      keep(this.#announced, unit, line);
      return told("systemd-oomd", { cgroupPath, reason: killed?.[3] ?? null });
    }
    const unit = UNIT.exec(text);
    if (unit === null) return null;
    const name = unit[1] ?? "";
    if (this.#announced.delete(name)) return "repeated";
    keep(this.#managed, name, line);
    return told("systemd-oomd", { reason: unit[0] });
  }
}

function keep(units: Map<string, number>, unit: string, line: number): void {
  units.delete(unit);
  units.set(unit, line);
  const [oldest] = units.keys();
  if (units.size > KEPT && oldest !== undefined) units.delete(oldest);
}
