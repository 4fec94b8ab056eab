import type { Json, JsonObject } from "../core/json.ts";
import { type Definition, isClass, type StandardSchemaV1 } from "../program/definition.ts";
import type { Implementation } from "../rpc/service.ts";

/** What a program's method may know of its request; given to it after the argument. */
export interface RequestContext {
  /** Aborts when the caller leaves or the deadline passes. */
  readonly signal: AbortSignal;
  /** When the caller stops waiting, milliseconds since 1970; undefined: never. */
  readonly deadlineMs: number | undefined;
  /** What the caller sent beside the argument; names in lower case. */
  readonly metadata: { get(name: string): string | undefined };
  readonly replicaId: string;
  readonly deployment: string;
  readonly revision: number;
}

/** A method that `Invoke` can call. */
export type ProgramMethod = (input: Json | Uint8Array, context: RequestContext) => unknown;

/** What Drover calls on a program that has it. `UserConfig` is JSON, or what the deployment's `userConfigSchema` gives. */
export interface ProgramHooks<UserConfig = Json> {
  /**
   * Takes a `user_config`: before the first request and whenever it changes, while requests go on. If it throws, the replica counts as
   * serving by the config it had: assign last, in one step, after all that may throw. It is never called again before it has ended,
   * and may be given again the config that is in use.
   */
  reconfigure?(userConfig: UserConfig): unknown;
  /** Throws if `reconfigure` would refuse this; changes nothing. Never called while `reconfigure` works. */
  validateConfig?(userConfig: UserConfig): unknown;
  /** Throws or gives false: the replica is not healthy. */
  checkHealth?(): unknown;
  /** Gives back what the program holds; the replica ends afterwards. */
  close?(): unknown;
}

/** A program made and ready to serve. */
export interface Program {
  readonly methods: ReadonlyMap<string, ProgramMethod>;
  readonly hooks: ProgramHooks<unknown>;
  /** What a `user_config` goes through before the hooks get it. */
  readonly userConfigSchema: StandardSchemaV1 | undefined;
  /** Its own gRPC services. */
  readonly implementations: readonly Implementation[];
}

const hookNames = ["reconfigure", "validateConfig", "checkHealth", "close"] as const;

/** Makes the program: a class by its static `create(initArgs)` or its constructor; a function is one already. Throws what the program throws. */
export async function createProgram(definition: Definition, initArgs: JsonObject): Promise<Program> {
  const { target, services, userConfigSchema } = definition;
  const instance = isClass(target) ? await construct(target, initArgs) : (target as ProgramMethod);
  const implementations = (services?.(instance as never) ?? []) as readonly Implementation[];
  const parts = { implementations, userConfigSchema };
  if (typeof instance === "function") return { methods: methodsOfFunction(instance as ProgramMethod), hooks: {}, ...parts };
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
    throw new TypeError(`${target.name}.create must give the instance, not ${instance}`);
  return instance;
}

function methodsOfFunction(call: ProgramMethod): ReadonlyMap<string, ProgramMethod> {
  const name = call.name && call.name !== "default" ? call.name : "call";
  return new Map([
    ["call", call],
    [name, call],
  ]);
}

/** The instance's public methods: its own and inherited ones, but for the constructor, the hooks and names that begin with `_`. */
function methodsOf(instance: object): ReadonlyMap<string, ProgramMethod> {
  const methods = new Map<string, ProgramMethod>();
  for (let holder: object | null = instance; holder && holder !== Object.prototype; holder = Object.getPrototypeOf(holder)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (typeof value !== "function" || methods.has(name) || !isPublic(name)) continue;
      methods.set(name, value.bind(instance));
    }
  }
  return methods;
}

function isPublic(name: string): boolean {
  return name !== "constructor" && !name.startsWith("_") && !(hookNames as readonly string[]).includes(name);
}
