import type { Value } from "@bufbuild/protobuf/wkt";
import type { DeploymentSpec } from "../../gen/drover/v1/deployment_pb.ts";
import type { FieldViolation } from "../core/errors.ts";
import { valueToJson } from "../rpc/json-value.ts";
import { bundleViolations, imageViolations } from "./bundle-violations.ts";
import { scheduleViolations } from "./convert-autoscaling.ts";
import { notJson } from "./not-json.ts";
import { npmViolations, pipViolations } from "./package-violations.ts";
import { startViolations } from "./start-violations.ts";

/** What the rules of specs depend on. */
export interface SpecRules {
  /** Whether the engine runs images. */
  readonly runsImages: boolean;
}

/**
 * What is wrong with a spec, by rules that the proto cannot express. `root` is the spec's path in
 * the request.
 */
export function specViolations(spec: DeploymentSpec, root: string, { runsImages }: SpecRules): readonly FieldViolation[] {
  return [
    ...scheduleViolations(spec.autoscalingConfig, `${root}.autoscaling_config`),
    ...userConfigViolations(spec.userConfig, `${root}.user_config`),
    ...npmViolations(spec.runtimeEnv?.npm ?? [], `${root}.runtime_env.npm`),
    ...pipViolations(spec.runtimeEnv?.pip ?? [], `${root}.runtime_env.pip`),
    ...bundleViolations(spec, root),
    ...imageViolations(spec.runtimeEnv?.image ?? "", `${root}.runtime_env.image`, runsImages),
    ...startViolations(spec, root),
  ];
}

/** The longest `user_config`, as JSON. */
const userConfigBytesMax = 2 ** 20;

/** What is wrong with a `user_config`. */
export function userConfigViolations(value: Value | undefined, field: string): readonly FieldViolation[] {
  if (value === undefined) return [];
  const problem = notJson(value, field);
  if (problem !== undefined) return [problem];
  const bytes = Buffer.byteLength(JSON.stringify(valueToJson(value)));
  return bytes <= userConfigBytesMax ? [] : [{ field, description: `must be at most ${userConfigBytesMax} bytes of JSON (got ${bytes})` }];
}
