export { type Code, type ErrorDetail, type ErrorFacts, type FieldViolation, StatusError } from "../core/errors.ts";
export type { Json, JsonObject } from "../core/json.ts";
export type { Application, BoundArgument, BoundArguments } from "../program/application.ts";
export type { DeploymentOptions, Duration } from "../program/deployment-options.ts";
export { detailOf, packDetail } from "../rpc/error-detail.ts";
export { type CallContext, type Implementation, implement } from "../rpc/service.ts";
export { type DeploymentDefinition, deployment, type ProgramOptions } from "./deployment.ts";
export type { ProgramHooks, RequestContext, RequestMetadata } from "./program.ts";
export { type RunOptions, run } from "./run.ts";
