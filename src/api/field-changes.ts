import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { type DeployResponseSchema, Effect } from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import type { DeploymentSpec } from "../core/deployment.ts";
import { type Effect as CoreEffect, differences, effectOf, fieldEffects } from "../core/effect.ts";
import type { JsonObject } from "../core/json.ts";
import { specToMessage } from "./convert.ts";

/** The most changes in an answer. */
const changesMax = 1_000;

const effects: Readonly<Record<CoreEffect, Effect>> = {
  NONE: Effect.NONE,
  LIVE: Effect.LIVE,
  RECONFIGURE: Effect.RECONFIGURE,
  ROLLOUT: Effect.ROLLOUT,
};

/**
 * What the change from one spec to the other costs, field by field, as clients see it. `redeploy`:
 * replicas are replaced also where nothing changes.
 */
export function fieldChangesToMessage(
  before: DeploymentSpec | undefined,
  after: DeploymentSpec,
  redeploy: boolean,
): Pick<MessageInitShape<typeof DeployResponseSchema>, "effect" | "changes"> {
  if (before === undefined) return { effect: Effect.ROLLOUT };
  const changes = differences(jsonOf(before), jsonOf(after))
    .slice(0, changesMax)
    .map(({ path, before, after }) => ({
      field: printPath(path),
      effect: effects[fieldEffect(path[0] ?? "")],
      before: textOf(before),
      after: textOf(after),
    }));
  return { effect: redeploy ? Effect.ROLLOUT : effects[effectOf(before, after)], changes };
}

function jsonOf(spec: DeploymentSpec): JsonObject {
  return toJson(DeploymentSpecSchema, create(DeploymentSpecSchema, specToMessage(spec)), {
    useProtoFieldName: true,
    alwaysEmitImplicit: true,
  }) as JsonObject;
}

const textOf = (value: unknown): string => (value === undefined ? "" : JSON.stringify(value));

/** `runtime_env.env_vars["A"]`: keys of maps, and what is not an identifier, in brackets. */
function printPath(path: readonly string[]): string {
  const maps = ["env_vars", "labels"];
  return path
    .map((name, index) => {
      if (index === 0) return name;
      const plain = /^[a-z_][a-z0-9_]*$/i.test(name) && !maps.includes(path[index - 1] ?? "");
      return plain ? `.${name}` : `[${JSON.stringify(name)}]`;
    })
    .join("");
}

const effectByName = new Map(
  Object.entries(fieldEffects).map(([key, effect]) => [
    key.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    effect,
  ]),
);

function fieldEffect(name: string): CoreEffect {
  const effect = effectByName.get(name);
  if (effect === undefined) throw new Error(`spec.${name} has no effect in core`);
  return effect;
}
