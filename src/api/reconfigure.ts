import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ConfigSchema,
  ListConfigsResponseSchema,
  type ReconfigureRequest,
  ReconfigureRequestSchema,
  ReconfigureResponseSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import type { ConfigRecord } from "../core/config-change.ts";
import type { DeploymentRecord, DeploymentSpec } from "../core/deployment.ts";
import { type FieldViolation, refusal } from "../core/errors.ts";
import { sameConfig } from "../core/generations.ts";
import { jsonToValue } from "../rpc/json-value.ts";
import type { Mirror } from "../store/mirror.ts";
import { beginningChange } from "./begin-change.ts";
import type { ControllerHandlers, ControllerParts } from "./controller-parts.ts";
import { jsonOf } from "./convert.ts";
import { replicasToMessage } from "./convert-outcomes.ts";
import { editOne } from "./edit-one.ts";
import { newestFirst, pageOf } from "./pages.ts";
import { userConfigViolations } from "./spec-violations.ts";

/** Changes of config, and the configs that are kept. */
export function reconfigureHandlers(parts: ControllerParts): ControllerHandlers<"reconfigure" | "listConfigs"> {
  const { mirror, view, clock } = parts;
  return {
    reconfigure: (request, context) =>
      editOne(
        parts,
        { input: ReconfigureRequestSchema, output: ReconfigureResponseSchema, request, context },
        {
          edit: (before, author) => {
            const spec = wantedSpec(mirror, before, request);
            if (sameConfig(before.spec, spec)) return { after: before };
            return beginningChange(parts, before, spec, { dryRun: request.validateOnly, author });
          },
          answer: (after) => ({ deployment: view.compose(after), configGeneration: BigInt(after.configGeneration) }),
          finish: (first, ends) => {
            const end = ends.get(request.name);
            const deployment = view.current(request.name) ?? first.deployment;
            return {
              ...(deployment && { deployment }),
              configGeneration: end?.committed === true ? BigInt(end.generation) : first.configGeneration,
              replicas: end === undefined ? [] : replicasToMessage(end),
            };
          },
        },
      ),
    listConfigs: async (request) => {
      await view.catchUp();
      const record = view.record(request.name);
      const list = {
        items: keptConfigs(mirror, record),
        keyOf: ({ generation }: ConfigRecord) => newestFirst(generation),
        answer: (config: ConfigRecord) => ({ configs: [configToMessage(config, record)] }),
      };
      return pageOf(ListConfigsResponseSchema, request, list, clock);
    },
  };
}

/** The oldest first. */
function keptConfigs(mirror: Mirror, deployment: DeploymentRecord): readonly ConfigRecord[] {
  return mirror
    .lineage(deployment)
    .configs()
    .map(({ value }) => value);
}

export function reconfigureViolations({ userConfig }: ReconfigureRequest): readonly FieldViolation[] {
  return userConfigViolations(userConfig, "user_config");
}

function wantedSpec(mirror: Mirror, before: DeploymentRecord, { userConfig, toGeneration }: ReconfigureRequest): DeploymentSpec {
  const json = jsonOf(userConfig);
  if (toGeneration === 0n) return json === undefined ? before.spec : { ...before.spec, userConfig: json };
  const { name } = before.spec;
  const kept = keptConfigs(mirror, before);
  const found = kept.find(({ generation }) => generation === Number(toGeneration));
  if (found === undefined) {
    const there = kept.map(({ generation }) => generation).join(", ");
    throw refusal("CONFIG_NOT_FOUND", `deployment "${name}" has no config of generation ${toGeneration}; there are: ${there}`, {
      metadata: { deployment: name, config_generation: String(toGeneration) },
    });
  }
  if (found.userConfig === undefined && before.spec.userConfig !== undefined) {
    throw refusal(
      "RECONFIGURE_REFUSED",
      `the config of generation ${toGeneration} has no user_config, and none can be taken away from running replicas: deploy a spec without it`,
    );
  }
  const { maxOngoingRequests } = found;
  return { ...before.spec, maxOngoingRequests, ...(found.userConfig === undefined ? {} : { userConfig: found.userConfig }) };
}

function configToMessage(config: ConfigRecord, { configGeneration }: DeploymentRecord): MessageInitShape<typeof ConfigSchema> {
  const { generation, userConfig, maxOngoingRequests, revision, atMs, author } = config;
  return {
    configGeneration: BigInt(generation),
    ...(userConfig === undefined ? {} : { userConfig: jsonToValue(userConfig) }),
    maxOngoingRequests,
    revision: BigInt(revision),
    commitTime: timestampFromMs(atMs),
    author,
    current: generation === configGeneration,
  };
}
