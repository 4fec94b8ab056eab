import type { JsonObject } from "../core/json.ts";
import { type DeploymentOptions, optionsJson } from "./deployment-options.ts";

/** The same in every copy of this package, so that a host knows what a module made with another copy exports. */
const brand: unique symbol = Symbol.for("drover.deployment");

/**
 * Set on `globalThis` by whoever imports a module to find its definition (a replica's host, the CLI), so that the module's own
 * `run(...)` does not deploy it in turn; the same in every copy of this package.
 */
export const importFlag: unique symbol = Symbol.for("drover.import");

/** A schema of Standard Schema v1 (standardschema.dev): any library's that speaks it, such as zod, valibot and arktype. */
export interface StandardSchemaV1 {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    validate(value: unknown): StandardResult | Promise<StandardResult>;
  };
}

/** The value as the schema gives it, or what is wrong with it. */
export type StandardResult = { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong, and the keys on the way to it. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a definition says in code only: it is not part of a spec. */
export interface DefinitionInCode {
  /** Gives the program's own gRPC services for an instance. */
  readonly services?: ((instance: never) => readonly unknown[]) | undefined;
  /** What every `user_config` must satisfy, and what makes of it the value that the program gets. */
  readonly userConfigSchema?: StandardSchemaV1 | undefined;
}

/** What a module exports to be deployed. */
export interface Definition extends DefinitionInCode {
  readonly [brand]: true;
  /** The class or the function. */
  readonly target: unknown;
  readonly settings: DeploymentOptions;
}

/** A definition found in a module, and the name it is exported by. */
export type Found = { readonly definition: Definition; readonly exportName: string } | { readonly error: string };

/** Makes a definition; throws a TypeError that names the first option that is unknown or of the wrong type. */
export function define(target: unknown, settings: DeploymentOptions = {}, inCode: DefinitionInCode = {}): Definition {
  const { services, userConfigSchema } = inCode;
  if (typeof target !== "function") throw new TypeError(`deployment: must be given a class or a function, not ${typeof target}`);
  if (services !== undefined && typeof services !== "function") throw new TypeError("deployment option services: must be a function");
  if (userConfigSchema !== undefined) checkSchema(userConfigSchema, target);
  optionsJson(settings);
  return Object.freeze({ [brand]: true as const, target, settings: Object.freeze({ ...settings }), services, userConfigSchema });
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
 * The definition that a module exports as `exportName`; empty: as `default`, else the only one there is. A plain class or
 * function counts too, with default options, where it is named or is the default.
 */
export function findDefinition(moduleExports: Readonly<Record<string, unknown>>, exportName: string): Found {
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
  // A class's prototype cannot be replaced; one compiled to a function has methods on it.
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

/** The class's or function's name; where it has none, the export's, else the file's. */
function defaultName(definition: Definition, program: { readonly path: string; readonly exportName: string }): string {
  const file = program.path.replace(/^.*[\\/]/, "").replace(/\.\w+$/, "");
  const own = (definition.target as { readonly name?: unknown }).name;
  const names = [typeof own === "string" ? own.replace(/^bound /, "") : "", program.exportName, file];
  return kebab(names.find((name) => name !== "" && name !== "default") ?? "");
}

/** A name as deployments have them: `HalfGpu` is `half-gpu`. */
export function kebab(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1-$2")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "");
}
