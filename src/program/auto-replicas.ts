import type { Json, JsonObject } from "../core/json.ts";

/**
 * What `num_replicas: auto` stands for, which Ray Serve has, too: from 1 to 100 replicas, by the
 * load.
 */
const autoReplicas = { min_replicas: 1, max_replicas: 100, target_ongoing_requests: 2 } as const;

/**
 * The `autoscaling_config` of `num_replicas: auto`: what was given of it wins. `print` is how the
 * names of its fields are written there.
 */
export function autoscalingOfAuto(given: Json | undefined, print: (name: string) => string = (name) => name): JsonObject {
  const auto = Object.fromEntries(Object.entries(autoReplicas).map(([name, value]) => [print(name), value]));
  return { ...auto, ...(given as JsonObject | undefined) };
}
