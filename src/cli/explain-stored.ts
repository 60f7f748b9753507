import type { ExplainedKill } from "../model/explanation.ts";
import { explainedKill } from "../sinks/store-explanation.ts";
import type { KillLookup } from "../sinks/store-read.ts";
import type { Context } from "./environment.ts";
import { CliError } from "./errors.ts";
import type { RawOptions } from "./options.ts";
import { bootPrefix, withStore } from "./stored.ts";

/** A kill of the agent's store by its id or the beginning of it, as `show` takes it. */
export function storedKill(context: Context, options: RawOptions, id: string): ExplainedKill {
  try {
    return withStore(context, options, (store) => {
      const given = store.kill(id);
      const boot = bootPrefix(context);
      const lookup = given.kind === "none" && boot !== null ? store.kill(boot + id) : given;
      if (lookup.kind !== "found") throw notFound(id, lookup);
      return explainedKill(store, lookup.record);
    });
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "E_STORE") throw error;
    throw new CliError("E_INPUT", `there is no file '${id}'. Taken for an id: ${error.message}`);
  }
}

function notFound(id: string, lookup: Exclude<KillLookup, { kind: "found" }>): CliError {
  if (lookup.kind === "ambiguous") {
    return new CliError(
      "E_AMBIGUOUS",
      `'${id}' begins more than one id, give more of it: ${lookup.ids.join(", ")}`,
    );
  }
  return new CliError(
    "E_NOT_FOUND",
    `there is no file '${id}', and no recorded kill has an id that begins so: see 'oomwitness list'.`,
  );
}
