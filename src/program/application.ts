import { type Json, type JsonObject, jsonLevelsMax } from "../core/json.ts";
import { type Definition, defaultName, findDefinition, isClass, isDefinition, specJson } from "./definition.ts";
import { isPlainObject, optionsJson } from "./deployment-options.ts";

/** The same in every copy of this package, as that of definitions is. */
const applicationBrand: unique symbol = Symbol.for("drover.application");

/** The only name of an object in `init_args` that stands for a handle to a deployment. */
export const deploymentKey = "$deployment";

/**
 * A member of handles: the name of the deployment. The same in every copy of this package. Throws a
 * TypeError where the handle has options, which do not go along.
 */
export const handledName: unique symbol = Symbol.for("drover.handle");

/** What has the member {@link handledName}. */
export interface Handled {
  readonly [handledName]: string;
}

/**
 * An argument of a constructor: JSON, in which another bound deployment, or the handle of one, may
 * stand at any depth.
 */
export type BoundArgument = Json | Application | Handled | readonly BoundArgument[] | BoundArguments;

/** Arguments by name; undefined: not given. */
export interface BoundArguments {
  readonly [name: string]: BoundArgument | undefined;
}

/**
 * A deployment with the arguments of its constructor. Deployments among the arguments arrive in the
 * constructor as handles. All that it holds are deployed as one application.
 */
export interface Application {
  readonly [applicationBrand]: true;
  readonly definition: Definition;
  readonly bound: BoundArguments;
}

/** An application that a module exports, or that one of its functions returned. */
interface FoundApplication {
  readonly root: Application;
  /** How a replica finds it in the module: the export, and after `?` a builder's arguments. */
  readonly reference: string;
}

/** What a module deploys; or why it does not. */
export type FoundProgram =
  | ({ readonly kind: "application" } & FoundApplication)
  | { readonly kind: "definition"; readonly definition: Definition; readonly exportName: string }
  | { readonly kind: "none"; readonly error: string };

/** One deployment of an application: its spec, and the names of those that it calls. */
export interface ApplicationPart {
  /** Proto JSON of a `DeploymentSpec`. */
  readonly spec: JsonObject & { readonly name: string };
  readonly uses: readonly string[];
}

type Exports = Readonly<Record<string, unknown>>;

/**
 * Binds arguments to a definition. Throws a TypeError that names the first argument that is neither
 * JSON nor a bound deployment.
 */
export function bind(definition: Definition, bound: BoundArguments = {}): Application {
  if (!isPlainObject(bound) || isApplication(bound)) throw new TypeError("bind: must be given an object of arguments by name, or nothing");
  if (!isClass(definition.target) && Object.keys(bound).length > 0) {
    throw new TypeError("bind: a function takes no arguments of a constructor; make it a class");
  }
  const unbound = findUnbound(bound, "initArgs");
  if (unbound !== undefined) throw new TypeError(`bind: ${unbound} is a deployment without its arguments: write .bind() after it`);
  optionsJson({ initArgs: write(bound, () => "name") as JsonObject });
  return Object.freeze({ [applicationBrand]: true as const, definition, bound: Object.freeze({ ...bound }) });
}

export function isApplication(x: unknown): x is Application {
  return typeof x === "object" && x !== null && (x as Application)[applicationBrand] === true;
}

/**
 * What a module deploys. `exportName` is empty, or the name of a definition, of an application, or
 * of a function that returns one (a builder), which gets `args`. Without a name: the application
 * `app`, `default` or the only one, else the only definition. A function without parameters that
 * returns no application is a deployment itself.
 */
export async function findProgram(moduleExports: Exports, exportName: string, args?: JsonObject): Promise<FoundProgram> {
  const names = Object.keys(moduleExports).filter((name) => isApplication(moduleExports[name]));
  const [only] = names;
  const wanted = exportName || (["app", "default"].find((name) => names.includes(name)) ?? (names.length === 1 ? only : undefined));
  const value = wanted === undefined ? undefined : moduleExports[wanted];
  if (args !== undefined && !(wanted === exportName && isFunction(value))) {
    return none(
      `only a function takes arguments: ${exportName || "name one after a colon, as in app.ts:build"} ${exportName && "is none"}`.trim(),
    );
  }
  if (wanted === undefined && names.length > 1) return none(`it exports several applications, name one of them: ${names.join(", ")}`);
  if (wanted !== undefined && isApplication(value)) return { kind: "application", root: value, reference: wanted };
  if (wanted !== undefined && isFunction(value) && (args !== undefined || value.length === 0)) {
    const built: unknown = await value(...(args === undefined ? [] : [args]));
    const reference = args === undefined ? wanted : `${wanted}?${JSON.stringify(args)}`;
    if (isApplication(built)) return { kind: "application", root: built, reference };
    if (args !== undefined) return none(`the function "${wanted}" must return an application, which \`.bind()\` of a deployment makes`);
  }
  const found = findDefinition(moduleExports, exportName);
  return "error" in found ? none(found.error) : { kind: "definition", ...found };
}

/**
 * The definition that a program names: by its export, or as `EXPORT#NAME`, the deployment `NAME` of
 * an application.
 */
export async function definitionAt(
  moduleExports: Exports,
  exportName: string,
  path: string,
): Promise<Definition | { readonly error: string }> {
  const { name, args, part } = parseReference(exportName);
  if (part === undefined) {
    const exported = moduleExports[name];
    if (isApplication(exported)) return exported.definition;
    const found = findDefinition(moduleExports, name);
    return "error" in found ? found : found.definition;
  }
  const found = await findProgram(moduleExports, name, args);
  if (found.kind === "none") return found;
  if (found.kind === "definition") return { error: `"${name}" is no application` };
  const nodes = nodesOf(found.root, (definition) => nameIn(definition, moduleExports, path));
  return nodes.find((node) => node.name === part)?.application.definition ?? { error: noSuchPart(name, part) };
}

/**
 * The deployments of a module: those of the application that `findProgram` finds, with its name,
 * or one alone, which `EXPORT#NAME` names too.
 */
export async function describeProgram(
  moduleExports: Exports,
  exportName: string,
  path: string,
  given?: JsonObject,
): Promise<{ readonly application?: string; readonly parts: readonly ApplicationPart[] } | { readonly error: string }> {
  const { name, args = given, part } = parseReference(exportName);
  const found = await findProgram(moduleExports, name, args);
  if (found.kind === "none") return found;
  if (found.kind === "definition") {
    const spec = specJson(found.definition, { path, exportName: found.exportName }) as ApplicationPart["spec"];
    return { parts: [{ spec: { ...spec, program: { module: { path, exportName } } }, uses: [] }] };
  }
  const parts = applicationParts(found, moduleExports, path);
  if (part === undefined) return { application: parts[0]?.spec.name ?? "", parts };
  const named = parts.filter(({ spec }) => spec.name === part);
  return named.length > 0 ? { parts: named } : { error: noSuchPart(name, part) };
}

/**
 * All deployments of an application, the root first, each before those that it calls. `run` in the
 * module writes the same programs, without knowing its exports. What a builder made with arguments is
 * named by its export, if it has one: other arguments then replace only what they change.
 */
export function applicationParts({ root, reference }: FoundApplication, moduleExports: Exports, path: string): readonly ApplicationPart[] {
  const nodes = nodesOf(root, (definition) => nameIn(definition, moduleExports, path));
  const nameOf = new Map(nodes.map(({ application, name }) => [application, name]));
  return nodes.map(({ application: { definition, bound }, name }) => {
    const own = (write(bound, (part) => nameOf.get(part) ?? "") ?? {}) as JsonObject;
    const initArgs = { ...definition.settings.initArgs, ...own };
    const exported = reference.includes("?") ? exportOf(definition, moduleExports) : undefined;
    const exportName = exported ?? `${reference}#${name}`;
    const spec = {
      ...optionsJson(definition.settings),
      name,
      ...(Object.keys(initArgs).length > 0 && { initArgs }),
      program: { module: { path, exportName } },
    };
    return { spec, uses: [...new Set([...inside(bound)].map((part) => nameOf.get(part) ?? ""))] };
  });
}

interface ApplicationNode {
  readonly name: string;
  readonly application: Application;
}

/** Each deployment once, with a name of its own: of those that would have the same, the second gets `-2`. */
function nodesOf(root: Application, wantedName: (definition: Definition) => string): readonly ApplicationNode[] {
  const names = new Map<Application, string>();
  const taken = new Set<string>();
  const visit = (application: Application): void => {
    if (names.has(application)) return;
    const wanted = wantedName(application.definition);
    let name = wanted;
    for (let count = 2; taken.has(name); count++) name = `${wanted}-${count}`;
    taken.add(name);
    names.set(application, name);
    for (const part of inside(application.bound)) visit(part);
  };
  visit(root);
  return [...names].map(([application, name]) => ({ application, name }));
}

function nameIn(definition: Definition, moduleExports: Exports, path: string): string {
  return definition.settings.name ?? defaultName(definition, { path, exportName: exportOf(definition, moduleExports) ?? "" });
}

/** The export that is the same program: the same but for its options in the spec. */
function exportOf(definition: Definition, moduleExports: Exports): string | undefined {
  return Object.keys(moduleExports).find((name) => {
    const exported = moduleExports[name];
    return isDefinition(exported) && inCode(exported).every(([key, value]) => value === definition[key]);
  });
}

function inCode({ settings: _, ...rest }: Definition): readonly (readonly [keyof Definition, unknown])[] {
  const { options: _options, bind: _bind, ...code } = rest as Definition & { readonly options?: unknown; readonly bind?: unknown };
  return Object.entries(code) as (readonly [keyof Definition, unknown])[];
}

/** The arguments as JSON, with the name of a deployment in the place of each, and of each handle. */
function write(value: unknown, nameOf: (part: Application) => string, depth = 0): unknown {
  if (isApplication(value)) return { [deploymentKey]: nameOf(value) };
  if (typeof value === "function" && handledName in value) return { [deploymentKey]: value[handledName] };
  // What is deeper is refused by the check of options.
  if (depth > jsonLevelsMax) return value;
  if (Array.isArray(value)) return value.map((item) => write(item, nameOf, depth + 1));
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, write(member, nameOf, depth + 1)]));
}

/** The bound deployments in a value, in the order in which they stand there. */
function* inside(value: unknown): Generator<Application> {
  if (isApplication(value)) yield value;
  else if (Array.isArray(value) || isPlainObject(value)) for (const member of Object.values(value)) yield* inside(member);
}

/** The path of a definition that nothing was bound to; undefined: there is none. */
function findUnbound(value: unknown, path: string, depth = 0): string | undefined {
  if (isDefinition(value)) return path;
  if (isApplication(value) || depth > jsonLevelsMax || !(Array.isArray(value) || isPlainObject(value))) return undefined;
  for (const [name, member] of Object.entries(value)) {
    const found = findUnbound(member, Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `build?{"size":"large"}#translator`: the export, the arguments of a builder, the deployment. */
function parseReference(reference: string): { readonly name: string; readonly args?: JsonObject; readonly part?: string } {
  const [, name = "", json, part] = /^([^?#]*)(?:\?(.*))?#([^#]*)$/s.exec(reference) ?? [];
  if (part === undefined) return { name: reference };
  return { name, part, ...(json !== undefined && { args: JSON.parse(json) as JsonObject }) };
}

function noSuchPart(application: string, part: string): string {
  return `its application "${application}" has no deployment "${part}"`;
}

function isFunction(value: unknown): value is (...args: readonly unknown[]) => unknown {
  return typeof value === "function" && !isClass(value);
}

function none(error: string): FoundProgram {
  return { kind: "none", error };
}
