import type { DeploymentStatus } from "../../gen/drover/v1/deployment_pb.ts";
import { type Condition, ConditionType, type StartFailure } from "../../gen/drover/v1/facts_pb.ts";

/** The deployment's condition of that type. */
export function conditionOf(status: DeploymentStatus | undefined, type: ConditionType): Condition | undefined {
  return status?.conditions.find((condition) => condition.type === type);
}

/** Why the last replica failed, by itself or as the end of a rollout. */
export function lastFailureOf(status: DeploymentStatus | undefined): StartFailure | undefined {
  const { STARTS_FAILING, ROLLOUT_FAILED, ROLLED_BACK } = ConditionType;
  const conditions = [STARTS_FAILING, ROLLOUT_FAILED, ROLLED_BACK].flatMap((type) => conditionOf(status, type) ?? []);
  return conditions.map(({ lastFailure, rolloutFailure }) => lastFailure ?? rolloutFailure?.lastFailure).find((failure) => failure);
}
