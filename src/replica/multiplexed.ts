import { AsyncResource } from "node:async_hooks";
import { realClock } from "../clock/real.ts";
import { invalid } from "../core/errors.ts";
import { modelHeader } from "../core/metadata-keys.ts";
import { modelNameMax, modelsMax } from "../core/traffic/model-bounds.ts";
import { requestInWork } from "../rpc/request-in-work.ts";
import { ModelCache } from "./model-cache.ts";
import { addModels } from "./program-report.ts";
import { unloadModel } from "./unload-model.ts";

/** Settings of a multiplexed function. */
export interface MultiplexedSettings {
  /** How many models are in memory at a time: 1 to 1,000. Default: 3. */
  readonly maxModels?: number;
}

/** Gives models by name; without a name, the one of the request in work. */
export type Multiplexed<Model> = (name?: string) => Promise<Model>;

const maxModelsDefault = 3;

/** Marks a multiplexed function, which is no method of its program. */
const brand: unique symbol = Symbol.for("drover.multiplexed");

/**
 * Keeps models that `load` makes, by name, at most `maxModels` of them. To make room, the one used
 * longest ago is unloaded: its method `close`, if it has one, is called and awaited, for 30 s at most,
 * before another model is loaded. A model that a request has got stays until the request ends, or gets another.
 *
 * The name is that of the request's metadata key `drover-model`, if none is given. Requests with this
 * key are sent to a replica that holds the model. Rejects with INVALID_ARGUMENT if there is no name,
 * and with what `load` throws. Throws a RangeError for a setting out of its range.
 */
export function multiplexed<Model>(
  load: (name: string) => Model | Promise<Model>,
  { maxModels = maxModelsDefault }: MultiplexedSettings = {},
): Multiplexed<Model> {
  if (!Number.isInteger(maxModels) || maxModels < 1 || maxModels > modelsMax)
    throw new RangeError(`multiplexed option maxModels: must be a whole number from 1 to ${modelsMax}, not ${maxModels}`);
  // A model outlives the request that it was loaded for.
  const scope = new AsyncResource("drover.models");
  const unload = (model: Model) => unloadModel(model, realClock, (line) => void process.stderr.write(line));
  const cache = new ModelCache(maxModels, async (name) => await scope.runInAsyncScope(() => load(name)), unload);
  addModels(cache);
  const get = (name?: string) => {
    const request = requestInWork();
    return cache.get(checked(name ?? request?.context.model), request);
  };
  return Object.assign(async (name?: string) => await get(name), { [brand]: true });
}

export const isMultiplexed = (value: unknown): boolean => typeof value === "function" && brand in value;

function checked(name: string | undefined): string {
  if (name === undefined || name === "") {
    throw invalid([{ field: modelHeader, description: "required: the request must name a model (drover invoke --model, handle.options)" }]);
  }
  const bytes = Buffer.byteLength(name);
  if (bytes <= modelNameMax) return name;
  throw invalid([{ field: modelHeader, description: `the name has ${bytes} bytes; it may have ${modelNameMax}` }]);
}
