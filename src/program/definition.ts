import type { JsonObject } from "../core/json.ts";
import { type DeploymentOptions, optionsJson } from "./deployment-options.ts";

/**
 * The same in every copy of this package: a host also recognises definitions made with another
 * copy.
 */
const brand: unique symbol = Symbol.for("drover.deployment");

/** The method of a deployment that is a function; also what an empty name of a method means. */
export const functionMethod = "call";

/**
 * A replica's host and the CLI set this on `globalThis` before they import a module to find its
 * definition, so that the module's own `run(...)` does not deploy it. The same in every copy of
 * this package.
 */
export const importFlag: unique symbol = Symbol.for("drover.import");

/**
 * A schema of Standard Schema v1 (standardschema.dev), as zod, valibot, arktype and others make
 * them.
 */
export interface StandardSchemaV1 {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    validate(value: unknown): StandardResult | Promise<StandardResult>;
  };
}

/** The value that the schema makes, or what is wrong with the input. */
export type StandardResult = { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong, and the keys on the way to it. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The part of a definition that exists only in code, and not in a spec. */
export interface DefinitionInCode {
  /** Returns the program's own gRPC services for an instance. */
  readonly services?: ((instance: never) => readonly unknown[]) | undefined;
  /** Checks every `user_config`, and makes the value that the program gets. */
  readonly userConfigSchema?: StandardSchemaV1 | undefined;
  /** Names of metadata that calls by handles take along. */
  readonly forwardMetadata?: readonly string[] | undefined;
}

/** What a module exports to be deployed. */
export interface Definition extends DefinitionInCode {
  readonly [brand]: true;
  /** The class or the function. */
  readonly target: unknown;
  readonly settings: DeploymentOptions;
}

/** A definition found in a module, with the name of its export; or why there is none. */
export type FoundDefinition = { readonly definition: Definition; readonly exportName: string } | { readonly error: string };

/**
 * Makes a definition; throws a TypeError that names the first option that is unknown or of the
 * wrong type.
 */
export function define(target: unknown, settings: DeploymentOptions = {}, inCode: DefinitionInCode = {}): Definition {
  const { services, userConfigSchema, forwardMetadata } = inCode;
  if (typeof target !== "function") throw new TypeError(`deployment: must be given a class or a function, not ${typeof target}`);
  if (services !== undefined && typeof services !== "function") throw new TypeError("deployment option services: must be a function");
  if (userConfigSchema !== undefined) checkSchema(userConfigSchema, target);
  if (forwardMetadata !== undefined) checkNames(forwardMetadata);
  optionsJson(settings);
  return Object.freeze({ [brand]: true as const, target, settings: Object.freeze({ ...settings }), ...inCode });
}

/** The name of metadata, as gRPC sends it. */
const metadataName = /^[0-9a-z_.-]+$/;

function checkNames(names: unknown): void {
  const wrong = Array.isArray(names) ? names.find((name) => typeof name !== "string" || !metadataName.test(name)) : names;
  if (Array.isArray(names) && wrong === undefined) return;
  throw new TypeError(
    `deployment option forwardMetadata: must be an array of names of lower-case letters, digits and any of "_-.", not ${JSON.stringify(wrong)}`,
  );
}

function checkSchema(schema: unknown, target: unknown): void {
  // A schema may be a function too: arktype's are.
  const isObject = (typeof schema === "object" && schema !== null) || typeof schema === "function";
  const standard = isObject ? (schema as Partial<StandardSchemaV1>)["~standard"] : undefined;
  if (standard?.version !== 1 || typeof standard.validate !== "function") {
    throw new TypeError(
      "deployment option userConfigSchema: must be a schema of Standard Schema v1, such as zod, valibot and arktype make",
    );
  }
  if (!isClass(target)) {
    throw new TypeError(
      "deployment option userConfigSchema: a function takes no user_config; make it a class with reconfigure(userConfig)",
    );
  }
}

export function isDefinition(x: unknown): x is Definition {
  return typeof x === "object" && x !== null && (x as Definition)[brand] === true;
}

/**
 * The definition that a module exports as `exportName`; empty: as `default`, else its only
 * definition. A plain class or function counts as a definition with default options, where it is
 * named or is the default.
 */
export function findDefinition(moduleExports: Readonly<Record<string, unknown>>, exportName: string): FoundDefinition {
  const names = Object.keys(moduleExports).filter((name) => isDefinition(moduleExports[name]));
  const wanted = exportName || (Object.hasOwn(moduleExports, "default") ? "default" : "");
  const named = asDefinition(wanted && Object.hasOwn(moduleExports, wanted) ? moduleExports[wanted] : undefined);
  if (named) return { definition: named, exportName: wanted };
  if (exportName) {
    const what = Object.hasOwn(moduleExports, exportName) ? `the export "${exportName}" is not a deployment` : `no export "${exportName}"`;
    return { error: `${what}; ${listed(moduleExports, names)}` };
  }
  const [only] = names;
  if (only !== undefined && names.length === 1) return { definition: moduleExports[only] as Definition, exportName: only };
  if (names.length > 1) return { error: `it exports several deployments, name one of them: ${names.join(", ")}` };
  return { error: `it exports no deployment; ${listed(moduleExports, names)}` };
}

/** The spec of a deployment of `program`, as proto JSON of `DeploymentSpec`. */
export function specJson(definition: Definition, program: { readonly path: string; readonly exportName: string }): JsonObject {
  const options = optionsJson(definition.settings);
  return {
    name: defaultName(definition, program),
    ...options,
    program: { module: { path: program.path, exportName: program.exportName } },
  };
}

/** Whether `target` is to be called with `new`. */
export function isClass(target: unknown): target is new (initArgs: JsonObject) => object {
  if (typeof target !== "function") return false;
  const prototype = Object.getOwnPropertyDescriptor(target, "prototype");
  if (!prototype) return false;
  // A class's prototype cannot be replaced; a class compiled to a function has methods on its
  // prototype.
  return prototype.writable === false || Object.getOwnPropertyNames(prototype.value ?? {}).some((name) => name !== "constructor");
}

function asDefinition(exported: unknown): Definition | undefined {
  if (isDefinition(exported)) return exported;
  return typeof exported === "function" ? define(exported) : undefined;
}

function listed(moduleExports: Readonly<Record<string, unknown>>, definitions: readonly string[]): string {
  const names = Object.keys(moduleExports);
  if (names.length === 0) return "it exports nothing";
  return `it exports ${names.map((name) => (definitions.includes(name) ? `${name} (a deployment)` : name)).join(", ")}`;
}

/** The name of the class or function; where it has none, of the export, else of the file. */
export function defaultName(definition: Definition, program: { readonly path: string; readonly exportName: string }): string {
  const file = program.path.replace(/^.*[\\/]/, "").replace(/\.\w+$/, "");
  const own = (definition.target as { readonly name?: unknown }).name;
  const names = [typeof own === "string" ? own.replace(/^bound /, "") : "", program.exportName, file];
  return kebab(names.find((name) => name !== "" && name !== "default") ?? "");
}

/** A name in the form of deployments' names: `HalfGpu` becomes `half-gpu`. */
export function kebab(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1-$2")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "");
}
