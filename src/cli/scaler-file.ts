import { fromJson } from "@bufbuild/protobuf";
import { isMap, isScalar } from "yaml";
import {
  type AutoscalingConfig,
  AutoscalingConfigSchema,
  type DeploymentSpec,
  DeploymentSpecSchema,
} from "../../gen/drover/v1/deployment_pb.ts";
import { CliError } from "./cli-error.ts";
import type { CliIo } from "./io.ts";
import { type FoundNode, parseNodes, readNode, readText } from "./spec-file.ts";

/** An autoscaling config and where it was read. */
export interface LoadedScaler {
  readonly config: AutoscalingConfig;
  /**
   * `app.yaml:7: spec.autoscaling_config.max_replicas`, for what a controller calls
   * `autoscaling_config.max_replicas`.
   */
  placeOf(field: string): string;
}

/**
 * Reads the one autoscaling config of a YAML or JSON file: the config itself, or that of a
 * deployment's spec. Throws a `CliError` with every problem.
 */
export async function readScalerFile(file: string, io: Pick<CliIo, "cwd" | "stdin">): Promise<LoadedScaler> {
  const { found, problems } = parseNodes(file, await readText(file, io));
  if (problems.length > 0) throw new CliError(problems);
  const loaded = found.map((node) => load(file, node));
  const wrong = loaded.flatMap((one) => (Array.isArray(one) ? one : []));
  if (wrong.length > 0) throw new CliError(wrong);
  const [scaler, ...more] = loaded.filter((one): one is LoadedScaler => one !== undefined && !Array.isArray(one));
  if (scaler === undefined) throw new CliError(`${file}: holds no autoscaling_config`);
  if (more.length > 0) throw new CliError(`${file}: holds ${more.length + 1} of autoscaling_config: give a file with one`);
  return scaler;
}

/** The config of one node; undefined: a deployment without a config; a list: what is wrong. */
function load(file: string, found: FoundNode): LoadedScaler | readonly string[] | undefined {
  if (isSpec(found)) {
    const { json, wrong, lineOf } = readNode(file, found, DeploymentSpecSchema, "spec");
    if (wrong.length > 0) return wrong;
    const { autoscalingConfig: config }: DeploymentSpec = fromJson(DeploymentSpecSchema, json as never);
    return config && { config, placeOf: (field) => `${file}:${lineOf(`spec.${field}`)}: spec.${field}` };
  }
  const root = "autoscaling_config";
  const { json, wrong, lineOf } = readNode(file, found, AutoscalingConfigSchema, root);
  if (wrong.length > 0) return wrong;
  const config = fromJson(AutoscalingConfigSchema, json as never);
  return { config, placeOf: (field) => `${file}:${lineOf(field)}: ${field}` };
}

/** Whether it has a field that only specs have. */
function isSpec({ node }: FoundNode): boolean {
  const names = DeploymentSpecSchema.fields.flatMap(({ name, jsonName }) => [name, jsonName]);
  return isMap(node) && node.items.some(({ key }) => isScalar(key) && names.includes(String(key.value)));
}
