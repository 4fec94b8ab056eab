import { type Definition, define, type StandardSchemaV1 } from "../program/definition.ts";
import type { DeploymentOptions } from "../program/deployment-options.ts";
import type { Implementation } from "../rpc/service.ts";
import type { RequestContext } from "./program.ts";

/** Options of a deployment whose program is an `Instance`. */
export interface ProgramOptions<Instance> extends DeploymentOptions {
  /** The program's own gRPC services, made with `implement`. */
  readonly services?: (instance: Instance) => readonly Implementation[];
  /**
   * A schema of Standard Schema v1, such as zod, valibot and arktype make: a `user_config` that it finds wrong is refused, field
   * by field, and `validateConfig` and `reconfigure` get what it gives. For classes only.
   */
  readonly userConfigSchema?: StandardSchemaV1;
}

/** A deployment as code: export it, and deploy the module. */
export interface DeploymentDefinition<Instance> extends Definition {
  /** A copy with some options replaced. */
  options(overrides: ProgramOptions<Instance>): DeploymentDefinition<Instance>;
}

/** A class whose public methods can be called: `method(input, context: RequestContext)`. */
// biome-ignore lint/suspicious/noExplicitAny: a class says itself what init_args it wants
export type ProgramClass<Instance extends object> = new (initArgs: any) => Instance;

/** A function that is called by `Invoke` with the method `call`. */
// biome-ignore lint/suspicious/noExplicitAny: a function says itself what input it wants
export type ProgramFunction = (input: any, context: RequestContext) => unknown;

/**
 * Makes a deployment of a class or a function. Throws a TypeError that names the first option that is unknown or of the
 * wrong type; ranges are checked when it is deployed.
 */
export function deployment<Instance extends object>(
  target: ProgramClass<Instance>,
  options?: ProgramOptions<Instance>,
): DeploymentDefinition<Instance>;
export function deployment<Call extends ProgramFunction>(target: Call, options?: ProgramOptions<Call>): DeploymentDefinition<Call>;
export function deployment(target: unknown, options: ProgramOptions<never> = {}): DeploymentDefinition<never> {
  return definitionOf(target, options);
}

function definitionOf(target: unknown, options: ProgramOptions<never>): DeploymentDefinition<never> {
  const { services, userConfigSchema, ...settings } = options;
  return Object.freeze({
    ...define(target, settings, { services, userConfigSchema }),
    options: (overrides: ProgramOptions<never>) => definitionOf(target, { ...options, ...overrides }),
  });
}
