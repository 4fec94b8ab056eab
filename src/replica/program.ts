import type { Json, JsonObject } from "../core/json.ts";
import { handledName } from "../program/application.ts";
import { type Definition, functionMethod, isClass, type StandardSchemaV1 } from "../program/definition.ts";
import type { Implementation } from "../rpc/service.ts";
import { nameBatches } from "./batched.ts";
import { isMultiplexed } from "./multiplexed.ts";
import { type Parameter, parametersOf } from "./parameters.ts";

/** A method that `Invoke` can call. */
export interface ProgramMethod {
  readonly call: (...given: unknown[]) => unknown;
  /** Undefined: they are not known. */
  readonly parameters: readonly Parameter[] | undefined;
}

/**
 * Optional methods of a program that Drover calls. `UserConfig` is JSON, or the output type of the
 * deployment's `userConfigSchema`.
 */
export interface ProgramHooks<UserConfig = Json> {
  /**
   * Takes a `user_config`, before the first request and at every change, while requests go on. If
   * it throws, the replica counts as serving with the previous config: so assign last, in one step,
   * after everything that may throw. Calls never overlap. It may be called again with the config
   * that is in use.
   */
  reconfigure?(userConfig: UserConfig): unknown;
  /**
   * Throws if `reconfigure` would refuse this config. Must change nothing. Never called while
   * `reconfigure` runs.
   */
  validateConfig?(userConfig: UserConfig): unknown;
  /** The replica is unhealthy if this throws or returns false. */
  checkHealth?(): unknown;
  /** Releases the program's resources; the replica ends afterwards. */
  close?(): unknown;
}

/** A program that is constructed and ready to serve. */
export interface HostedProgram {
  readonly methods: ReadonlyMap<string, ProgramMethod>;
  readonly hooks: ProgramHooks<unknown>;
  /** Validates a `user_config` before the hooks get it. */
  readonly userConfigSchema: StandardSchemaV1 | undefined;
  /** Metadata that its calls by handles take along. */
  readonly forwardMetadata: readonly string[];
  /** Its own gRPC services. */
  readonly implementations: readonly Implementation[];
}

const hookNames = ["reconfigure", "validateConfig", "checkHealth", "close"] as const;

/**
 * Makes the program of a definition. A class is constructed by its static `create(initArgs)`, if it
 * has one, else by its constructor. Throws what the program throws.
 */
export async function createProgram(definition: Definition, initArgs: JsonObject): Promise<HostedProgram> {
  const { target, services, userConfigSchema, forwardMetadata = [] } = definition;
  const instance = isClass(target) ? await construct(target, initArgs) : (target as object);
  const implementations = (services?.(instance as never) ?? []) as readonly Implementation[];
  const parts = { implementations, userConfigSchema, forwardMetadata };
  if (typeof instance === "function") return { methods: methodsOfFunction(instance as ProgramMethod["call"]), hooks: {}, ...parts };
  const hooks: Record<string, unknown> = {};
  for (const name of hookNames) {
    const hook = (instance as Record<string, unknown>)[name];
    if (typeof hook === "function") hooks[name] = hook.bind(instance);
  }
  return { methods: methodsOf(instance), hooks, ...parts };
}

async function construct(target: new (initArgs: JsonObject) => object, initArgs: JsonObject): Promise<object> {
  const { create } = target as { create?: unknown };
  const instance: unknown = typeof create === "function" ? await create.call(target, initArgs) : new target(initArgs);
  if (typeof instance !== "object" || instance === null)
    throw new TypeError(`${target.name}.create must return the instance, not ${instance}`);
  return instance;
}

function methodsOfFunction(call: ProgramMethod["call"]): ReadonlyMap<string, ProgramMethod> {
  const name = call.name && call.name !== "default" ? call.name : functionMethod;
  const method = { call, parameters: parametersOf(call) };
  nameBatches(name, call);
  return new Map([
    [functionMethod, method],
    [name, method],
  ]);
}

/**
 * The instance's public methods, own and inherited, without the constructor, the hooks and names
 * that begin with `_`. A field that holds a handle, or models, is no method.
 */
function methodsOf(instance: object): ReadonlyMap<string, ProgramMethod> {
  const methods = new Map<string, ProgramMethod>();
  for (let holder: object | null = instance; holder && holder !== Object.prototype; holder = Object.getPrototypeOf(holder)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (typeof value !== "function" || methods.has(name) || !isPublic(name)) continue;
      if (isMultiplexed(value) || handledName in value) continue;
      nameBatches(name, value);
      methods.set(name, { call: value.bind(instance), parameters: parametersOf(value) });
    }
  }
  return methods;
}

function isPublic(name: string): boolean {
  return name !== "constructor" && !name.startsWith("_") && !(hookNames as readonly string[]).includes(name);
}
