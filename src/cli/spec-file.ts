import { dirname, resolve } from "node:path";
import { create, type DescMessage, fromJson } from "@bufbuild/protobuf";
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from "yaml";
import { DeploymentSchema, type DeploymentSpec, DeploymentSpecSchema, RuntimeEnvSchema } from "../../gen/drover/v1/deployment_pb.ts";
import type { JsonObject } from "../core/json.ts";
import { CliError } from "./cli-error.ts";
import { readFile, readStream, reasonOf, utf8Text } from "./input.ts";
import type { CliIo } from "./io.ts";
import { MessageReader } from "./message-reader.ts";

/** A spec and where it was read. */
export interface LoadedSpec {
  readonly spec: DeploymentSpec;
  /** The fields that the file sets, by their proto names; undefined: there is no file. */
  readonly given?: JsonObject;
  /** As the user named it. */
  readonly file: string;
  /** The files that the program itself named, for its version without a bundle. */
  readonly programFiles?: readonly string[] | undefined;
  /**
   * A controller printed it, with every field: neither paths, nor a version, nor options of the
   * code are filled in.
   */
  readonly whole?: boolean;
  /** The line of a field, or of the nearest field around it; undefined: there is no file. */
  lineOf(path: string): number | undefined;
}

const fileBytesMax = 4 * 1024 * 1024;

/**
 * Reads all specs of YAML or JSON files (several documents, a list, or one spec each; `-` is
 * standard input), with relative paths made absolute, except those inside a bundle. A deployment as
 * `drover get` prints it counts as its spec. Throws one `CliError` with every problem of
 * every file.
 */
export async function readSpecFiles(files: readonly string[], io: Pick<CliIo, "cwd" | "stdin">): Promise<readonly LoadedSpec[]> {
  const loaded: LoadedSpec[] = [];
  const problems: string[] = [];
  for (const file of files) {
    const read = parseSpecs(file, await readText(file, io));
    problems.push(...read.problems);
    const folder = file === "-" ? io.cwd : dirname(resolve(io.cwd, file));
    for (const { spec, whole } of read.specs) if (!whole && !spec.runtimeEnv?.bundle) resolvePaths(spec, folder);
    loaded.push(...read.specs);
  }
  if (problems.length === 0) problems.push(...duplicates(loaded));
  if (problems.length > 0) throw new CliError(problems);
  return loaded;
}

/** The specs in a text; `file` is its name in problems. */
export function parseSpecs(file: string, text: string): { readonly specs: readonly LoadedSpec[]; readonly problems: readonly string[] } {
  const { found, problems } = parseNodes(file, text);
  const specs: LoadedSpec[] = [];
  for (const outer of found) {
    const inner = specInside(outer);
    const { json, lineOf, wrong } = readNode(file, inner ?? outer, DeploymentSpecSchema, "spec");
    problems.push(...wrong);
    if (wrong.length > 0) continue;
    const spec = fromJson(DeploymentSpecSchema, json as never);
    specs.push({ spec, file, lineOf, ...(inner ? { whole: true } : { given: json as JsonObject }) });
  }
  if (problems.length === 0 && specs.length === 0) problems.push(`${file}: holds no deployment`);
  return { specs, problems };
}

/** The spec in a deployment as `drover get` prints it; undefined: the node is no deployment. */
function specInside({ node, ...rest }: FoundNode): FoundNode | undefined {
  if (!isMap(node)) return undefined;
  const names = new Set<unknown>(DeploymentSchema.fields.map(({ name }) => name));
  if (!node.has("spec") || !node.items.every(({ key }) => isScalar(key) && names.has(key.value))) return undefined;
  return { ...rest, node: node.get("spec", true) as Node };
}

/** One node of a YAML or JSON text, with its document and its lines. */
export interface FoundNode {
  readonly node: Node;
  readonly document: Document.Parsed;
  readonly counter: LineCounter;
}

/** The nodes of a text: one in each document, or several in a list. */
export function parseNodes(file: string, text: string): { readonly found: readonly FoundNode[]; readonly problems: string[] } {
  const counter = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: counter, prettyErrors: false, logLevel: "error", stringKeys: false });
  const documents = (Array.isArray(parsed) ? parsed : []) as readonly Document.Parsed[];
  const problems: string[] = [];
  const found: FoundNode[] = [];
  for (const document of documents) {
    for (const error of document.errors) problems.push(`${file}:${counter.linePos(error.pos[0]).line}: ${error.message}`);
    if (document.errors.length > 0) continue;
    const nodes = isSeq(document.contents) ? document.contents.items : isNothing(document.contents) ? [] : [document.contents];
    for (const node of nodes as readonly Node[]) found.push({ node, document, counter });
  }
  return { found, problems };
}

/**
 * Reads a node as a message whose paths begin with `root`. The JSON is valid only if nothing is
 * wrong.
 */
export function readNode(file: string, { node, document, counter }: FoundNode, schema: DescMessage, root: string) {
  const reader = new MessageReader(document, counter);
  const json = reader.read(node, schema, root);
  const wrong = reader.problems.map(({ line, text }) => `${file}:${line}: ${text}`);
  return { json, wrong, lineOf: (path: string) => nearestLine(reader.lines, path, root) };
}

/**
 * Makes relative paths absolute. The module's path starts at `runtime_env.working_dir`, or at
 * `folder` where that is empty; a command without `working_dir` runs in `folder`.
 */
export function resolvePaths(spec: DeploymentSpec, folder: string): void {
  if (spec.runtimeEnv?.workingDir) spec.runtimeEnv.workingDir = resolve(folder, spec.runtimeEnv.workingDir);
  const kind = spec.program?.kind;
  if (kind?.case === "module" && kind.value.path) kind.value.path = resolve(spec.runtimeEnv?.workingDir || folder, kind.value.path);
  if (kind?.case === "command" && !spec.runtimeEnv?.workingDir)
    spec.runtimeEnv = Object.assign(spec.runtimeEnv ?? create(RuntimeEnvSchema), { workingDir: folder });
}

/** The text of a file, or of standard input for `-`. */
export async function readText(file: string, io: Pick<CliIo, "cwd" | "stdin">, bytesMax = fileBytesMax): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = file === "-" ? await readStream(io.stdin, bytesMax) : await readFile(resolve(io.cwd, file), bytesMax);
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(`cannot read ${file}: ${reasonOf(cause)}`);
  }
  return utf8Text(bytes, file === "-" ? "standard input" : file);
}

/** A document without content, as between two `---`. */
function isNothing(contents: Node | null): boolean {
  return contents === null || (isScalar(contents) && contents.value === null);
}

function nearestLine(lines: ReadonlyMap<string, number>, path: string, root: string): number {
  for (let rest = path; rest !== ""; rest = rest.replace(/(\.[^.[\]]*|\[[^\]]*\]|^[^.[\]]*)$/, "")) {
    const line = lines.get(rest);
    if (line !== undefined) return line;
    if (!/[.[]/.test(rest)) break;
  }
  return lines.get(root) ?? 1;
}

/** As `app.yaml:3`. */
export const placeIn = (file: string, line: number | undefined): string => (line === undefined ? file : `${file}:${line}`);

function duplicates(loaded: readonly LoadedSpec[]): string[] {
  const first = new Map<string, string>();
  const problems: string[] = [];
  for (const { spec, file, lineOf } of loaded) {
    const place = placeIn(file, lineOf("spec.name"));
    const before = first.get(spec.name);
    if (spec.name === "") continue; // it has the name in its code, or is refused
    if (before === undefined) first.set(spec.name, place);
    else problems.push(`${place}: spec.name: "${spec.name}" is also deployed at ${before}`);
  }
  return problems;
}
