import { type Application, type BoundArguments, bind, type Handled } from "../program/application.ts";
import { type Definition, define, type StandardSchemaV1 } from "../program/definition.ts";
import type { DeploymentOptions } from "../program/deployment-options.ts";
import type { Implementation } from "../rpc/service.ts";

/** Options of a deployment whose program is an `Instance`. */
export interface ProgramOptions<Instance> extends DeploymentOptions {
  /** The program's own gRPC services, made with `implement`. */
  readonly services?: (instance: Instance) => readonly Implementation[];
  /**
   * A schema that follows Standard Schema v1, such as one of zod, valibot or arktype. A
   * `user_config` that it rejects is refused, with every wrong field; `validateConfig` and
   * `reconfigure` get its output. For classes only.
   */
  readonly userConfigSchema?: StandardSchemaV1;
  /**
   * Names of metadata, in lower case. The calls that a method makes by handles take them along from
   * its own caller, as they do `x-request-id`, `traceparent`, `tracestate` and `baggage`. Default:
   * none.
   */
  readonly forwardMetadata?: readonly string[];
}

/** A deployment defined in code: export it, and deploy the module. */
// biome-ignore lint/suspicious/noExplicitAny: of some programs the arguments are not known
export interface DeploymentDefinition<Instance, InitArgs = any> extends Definition {
  /** A copy with some options replaced. */
  options(overrides: ProgramOptions<Instance>): DeploymentDefinition<Instance, InitArgs>;
  /**
   * The deployment with arguments of its constructor, over those of the option `initArgs`: JSON, and
   * other bound deployments, which the constructor gets as handles. `drover run` deploys all of them
   * as one application. Throws a TypeError that names the first argument that is neither.
   */
  bind(initArgs?: Partial<Bound<InitArgs>>): Application;
}

/** The arguments of a constructor as they are bound: a deployment in the place of each handle. */
type Bound<Argument> = 0 extends 1 & Argument // any
  ? BoundArguments
  : unknown extends Argument
    ? BoundArguments
    : Argument extends Handled
      ? Application | Handled
      : Argument extends object
        ? { readonly [Name in keyof Argument]: Bound<Argument[Name]> }
        : Argument;

/** A class whose public methods can be called, each with its own arguments. */
// biome-ignore lint/suspicious/noExplicitAny: a class declares the type of its init_args itself
export type ProgramClass = new (initArgs: any) => object;

type InitArgsOf<Program extends ProgramClass> = Program extends { create(initArgs: infer InitArgs): unknown }
  ? InitArgs
  : Program extends new (
        initArgs: infer InitArgs,
      ) => object
    ? InitArgs
    : never;

/** A function that `Invoke` calls as the method `call`. */
// biome-ignore lint/suspicious/noExplicitAny: a function declares the types of its arguments itself
export type ProgramFunction = (...given: any[]) => unknown;

/**
 * Defines a deployment of a class or a function. Throws a TypeError that names the first option
 * that is unknown or has the wrong type. Ranges are checked when it is deployed.
 */
export function deployment<Program extends ProgramClass>(
  target: Program,
  options?: ProgramOptions<InstanceType<Program>>,
): DeploymentDefinition<InstanceType<Program>, InitArgsOf<Program>>;
export function deployment<Call extends ProgramFunction>(target: Call, options?: ProgramOptions<Call>): DeploymentDefinition<Call>;
export function deployment(target: unknown, options: ProgramOptions<never> = {}): DeploymentDefinition<never> {
  return definitionOf(target, options);
}

function definitionOf(target: unknown, options: ProgramOptions<never>): DeploymentDefinition<never> {
  const { services, userConfigSchema, forwardMetadata, ...settings } = options;
  const definition: DeploymentDefinition<never> = Object.freeze({
    ...define(target, settings, { services, userConfigSchema, forwardMetadata }),
    options: (overrides: ProgramOptions<never>) => definitionOf(target, { ...options, ...overrides }),
    bind: (initArgs?: BoundArguments) => bind(definition, initArgs),
  });
  return definition;
}
