import { explainRecord } from "../explain/explain.ts";
import type { ExplainedKill } from "../model/explanation.ts";
import type { KillLookup } from "../sinks/store-read.ts";
import type { Context } from "./environment.ts";
import { CliError } from "./errors.ts";
import type { RawOptions } from "./options.ts";
import { bootPrefix, withStore } from "./stored.ts";

/** A kill of the agent's store by its id or the beginning of it, as `show` takes it. */
export function storedKill(context: Context, options: RawOptions, id: string): ExplainedKill {
  const lookup = lookUp(context, options, id);
  switch (lookup.kind) {
    case "found":
      return { ...lookup.record, explanation: explainRecord(lookup.record, null) };
    case "ambiguous":
      throw new CliError(
        "E_AMBIGUOUS",
        `'${id}' begins more than one id, give more of it: ${lookup.ids.join(", ")}`,
      );
    case "none":
      throw new CliError(
        "E_NOT_FOUND",
        `there is no file '${id}', and no recorded kill has an id that begins so: see 'oomwitness list'.`,
      );
  }
}

function lookUp(context: Context, options: RawOptions, id: string): KillLookup {
  try {
    return withStore(context, options, (store) => {
      const given = store.kill(id);
      const boot = bootPrefix(context);
      return given.kind === "none" && boot !== null ? store.kill(boot + id) : given;
    });
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "E_STORE") throw error;
    throw new CliError("E_INPUT", `there is no file '${id}'. Taken for an id: ${error.message}`);
  }
}
