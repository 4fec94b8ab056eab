import { posix } from "node:path";

/** A file of the repository: its path from the root, with `/`, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Says what is against a rule of the house in a file; nothing: all is well. */
export type Rule = (file: SourceFile) => readonly string[];

/** Which rooms of `src` (and `gen`) a room may import besides itself. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  clock: [],
  log: [],
  observe: [],
  program: ["core"],
  config: ["core", "program", "clock"],
  security: ["core", "program", "clock"],
  store: ["core", "program", "clock", "log", "observe", "security"],
  engine: ["core", "program", "clock", "log", "observe", "security"],
  rpc: ["core", "program", "clock", "log", "observe", "security", "gen"],
  links: ["core", "store", "rpc", "clock", "log", "observe", "gen"],
  loops: ["core", "store", "engine", "links", "clock", "log", "observe"],
  api: ["core", "program", "store", "rpc", "security", "clock", "log", "observe", "gen"],
  gateway: ["core", "rpc", "security", "clock", "log", "observe", "gen"],
  bundle: ["core", "program", "rpc", "clock", "gen"],
  replica: ["core", "program", "rpc", "client", "bundle", "clock", "gen"],
  client: ["core", "program", "rpc", "clock", "gen"],
  conformance: ["core", "program", "rpc", "gen"],
  cli: ["core", "program", "config", "rpc", "log", "bundle", "gen", "conformance"],
  dashboard: ["core", "program", "config", "rpc", "log", "gen"],
};

/**
 * What else a room may import, as paths from src. core: all that it may import from outside src,
 * functions of their arguments alone. conformance: how it starts a program as the engine does.
 */
export const mayAlsoImport: Readonly<Record<string, readonly string[]>> = {
  core: ["node:crypto", "node:path"],
  conformance: ["engine/local/lone-replica.ts"],
};

/** The composition root: files that make real things and are imported by no room. */
const compositionRoot = ["src/main.ts", "src/require-node.ts", "src/shipped.ts"];
const compositionRooms = ["controller"];

const isCompositionRoot = (path: string): boolean => compositionRoot.includes(path) || compositionRooms.includes(roomOf(path) ?? "");

const fileLinesMax = 400;

/** Everything that may lie at the top of the repository. */
const topLevel = new Set([
  ...["package.json", "package-lock.json", "tsconfig.json", "buf.yaml", "buf.gen.yaml", "README.md", "LICENSE", ".gitignore"],
  ...["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", ".editorconfig", "docs", "deploy"],
  ...["proto", "gen", "src", "test", "examples", "bench", "sdk", "scripts", ".ci"],
]);

export function roomsImportOnlyTheirOwn({ path, text }: SourceFile): readonly string[] {
  if (!path.startsWith("src/") || !path.endsWith(".ts")) return [];
  const room = roomOf(path);
  return importsOf(text).flatMap((specifier) => {
    if (!specifier.startsWith(".")) {
      return room === "core" && !mayAlsoImport.core?.includes(specifier)
        ? [`core imports "${specifier}": it imports nothing but core`]
        : [];
    }
    const target = posix.normalize(posix.join(posix.dirname(path), specifier));
    if (isCompositionRoot(target)) {
      return isCompositionRoot(path) && target !== "src/main.ts" ? [] : [`imports ${target}, the composition root`];
    }
    const targetRoom = roomOf(target);
    if (targetRoom === undefined) return [`imports ${target}, which is outside src and gen`];
    if (isCompositionRoot(path) || (targetRoom === room && !enginesMeet(path, target))) return [];
    if (room !== undefined && mayAlsoImport[room]?.includes(target.slice("src/".length))) return [];
    if (targetRoom === room) return [`imports ${target}: engines know nothing of each other, and engine.ts knows none of them`];
    const allowed = room === undefined ? undefined : mayImport[room];
    if (allowed === undefined) return [`is in no room of the house`];
    return allowed.includes(targetRoom) ? [] : [`${room} imports ${target}: it may import only ${allowed.join(", ") || "itself"}`];
  });
}

/** Whether one engine imports another, or the seam imports an engine. */
function enginesMeet(path: string, target: string): boolean {
  const engineOf = (file: string) => /^src\/engine\/([^/]+)\//.exec(file)?.[1];
  const other = engineOf(target);
  return other !== undefined && other !== engineOf(path);
}

/**
 * Circles of files, types included, each named once by its files in order. `files` are all of the
 * repository.
 */
export function circles(files: readonly SourceFile[]): readonly string[] {
  const sources = new Map(files.filter(({ path }) => isSource(path)).map(({ path, text }) => [path, text]));
  const targets = new Map([...sources].map(([path, text]) => [path, localImports(path, text).filter((target) => sources.has(target))]));
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.push([...trail.slice(at), path].join(" → "));
    if (at >= 0 || done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return found;
}

/** Names of types that more than one file of src declares, exported or not. */
export function typeNamesUsedTwice(files: readonly SourceFile[]): readonly string[] {
  const places = new Map<string, string[]>();
  for (const { path, text } of files.filter(({ path }) => isSource(path)))
    for (const [, name = ""] of text.matchAll(/^(?:export )?(?:abstract )?(?:interface|type|class|enum)\s+(\w+)/gm))
      places.set(name, [...(places.get(name) ?? []), path]);
  return [...places].flatMap(([name, paths]) => (paths.length > 1 ? [`${name}: ${paths.join(", ")}`] : []));
}

function localImports(path: string, text: string): readonly string[] {
  return importsOf(text).flatMap((specifier) =>
    specifier.startsWith(".") ? posix.normalize(posix.join(posix.dirname(path), specifier)) : [],
  );
}

export function timeAndChanceComeFromClock({ path, text }: SourceFile): readonly string[] {
  if (!isSource(path) || path.startsWith("src/clock/")) return [];
  const code = withoutTexts(text);
  const banned = [
    /\bDate\s*\.\s*now\b/,
    /\bnew\s+Date\s*\(\s*\)/,
    /(?<!\bnew\s)(?<![.\w])\bDate\s*\(/,
    /(?<![.\w])(?:set|clear)(?:Timeout|Interval)\b/,
    /\bglobalThis\s*\.\s*set(?:Timeout|Interval)\b/,
    /\bAbortSignal\s*\.\s*timeout\b/,
    /\bperformance\s*\.\s*now\b/,
    /\bprocess\s*\.\s*hrtime\b/,
    /\bMath\s*\.\s*random\b/,
    /\b(?:randomUUID|randomInt|randomBytes|getRandomValues)\b/,
  ];
  const found = banned.flatMap((ban) => ban.exec(code)?.[0] ?? []);
  const timers = importsOf(text).filter((specifier) => /^(?:node:)?timers(?:\/|$)/.test(specifier));
  return [...found, ...timers].map((what) => `uses ${what}: take a Clock or a Random instead`);
}

export function processesAreStartedByEngine({ path, text }: SourceFile): readonly string[] {
  const allowed = path.startsWith("src/engine/local/") || /^src\/store\/(?:private-redis|redis-process)/.test(path);
  if (!isSource(path) || allowed) return [];
  return importsOf(text)
    .filter((specifier) => /^(?:node:)?(?:child_process|cluster|worker_threads)$/.test(specifier))
    .map((specifier) => `imports ${specifier}: only engine starts processes, and store its redis-server`);
}

/**
 * A call decides; bytes and connections are `gateway/wire/`'s, and only the gateway's assembly
 * knows which wire there is.
 */
export function connectionsStayInTheWire({ path, text }: SourceFile): readonly string[] {
  if (!isSource(path) || !path.startsWith("src/gateway/") || path.startsWith("src/gateway/wire/")) return [];
  return importsOf(text)
    .filter((from) => /^(?:node:)?(?:http2|net|tls)$/.test(from) || (from.includes("/wire/") && path !== "src/gateway/gateway.ts"))
    .map((from) => `imports "${from}": calls know only the interfaces of gateway/sides.ts`);
}

export function onlyCliPrints({ path, text }: SourceFile): readonly string[] {
  if (!isSource(path) || path.startsWith("src/cli/")) return [];
  const found = /(?<![.\w])console\s*\.\s*\w+/.exec(withoutTexts(text))?.[0];
  return found ? [`uses ${found}: only cli prints`] : [];
}

/** Names of values that hold sentences. */
const sentences = "(?:message|reason|exit|cause|why|summary)";
/** Texts of values, and calls that write a sentence, on the left and on the right of `===`. */
const textOnLeft = /(?<!\btypeof\s+[\w$.?!]*)(?:\.(?:message|summary)|InWords\((?:[^()]|\([^()]*\))*\))!?\s*[!=]==(?!\s*undefined\b)/;
const textOnRight = /[!=]==\s*(?:(?:[\w$#]+[?!]?\.)+(?:message|summary)\b(?!\s*[?!]?[.([])|(?:[\w$#]+\.)*[\w$]*InWords\()/;
/** Where the texts of others are read, as they have nothing better: Redis, grpc-js. */
const mayReadTexts = /^src\/(?:store\/(?:scripts|redis-connection)|rpc\/(?:server|client-failure))\.ts$/;

export function factsAreNotReadFromSentences({ path, text }: SourceFile): readonly string[] {
  if (!isSource(path) || mayReadTexts.test(path)) return [];
  const code = withoutComments(text);
  const branches = [
    new RegExp(`\\b${sentences}[?!]?\\??\\s*\\.\\s*(?:startsWith|endsWith|includes|indexOf|match|matchAll|search)\\(`),
    new RegExp(`\\.\\s*(?:test|exec)\\(\\s*(?:[\\w$]+[?!]?\\.)*${sentences}\\b`),
    new RegExp(`\\b${sentences}\\s*[!=]==\\s*(?:"[^"\\n]* [^"\\n]*"|'[^'\\n]* [^'\\n]*'|\`[^\`\\n]* [^\`\\n]*\`)`),
    new RegExp(`${textOnLeft.source}|${textOnRight.source}`),
  ];
  return branches
    .flatMap((branch) => branch.exec(code)?.[0] ?? [])
    .map((what) => `branches on a sentence (${what}): keep the fact instead`);
}

export function recordsHoldValues({ path, text }: SourceFile): readonly string[] {
  if (!isSource(path)) return [];
  const code = withoutTexts(text);
  const getters = [...code.matchAll(/(?<![.\w$])get\s+([\w$]+)\s*\(\s*\)[^;{}]*\{/g)];
  return getters
    .filter(({ index }) => !isClassBody(code, index))
    .map(([, name]) => `has a getter "${name}" in an object: a record holds values`);
}

/** Whether the innermost braces around a place in the code are those of a class. */
function isClassBody(code: string, at: number): boolean {
  let depth = 0;
  for (let index = at - 1; index >= 0; index--) {
    if (code[index] === "}") depth += 1;
    if (code[index] !== "{") continue;
    if (depth === 0) return /\bclass\b[^;{}]*$/.test(code.slice(0, index));
    depth -= 1;
  }
  return false;
}

export function exportsHaveNames({ path, text }: SourceFile): readonly string[] {
  if (!isSource(path)) return [];
  return /\bexport\s+default\b|\bas\s+default\b/.test(withoutTexts(text)) ? ["has a default export"] : [];
}

export function filesAreShort({ path, text }: SourceFile): readonly string[] {
  const lines = text.split("\n").length - 1;
  return path.startsWith("src/") && lines > fileLinesMax ? [`has ${lines} lines: at most ${fileLinesMax}`] : [];
}

export function namesAreKebabCase({ path }: SourceFile): readonly string[] {
  if (!/^(?:src|test|scripts|examples|bench)\//.test(path) || isGenerated(path)) return [];
  // Names that tools ask for.
  const parts = path.split("/").filter((part) => !["README.md", "Dockerfile", "Makefile", ".droverignore"].includes(part));
  // Protos are named like their packages, Python's modules by its own rule.
  const snake = /\.(?:proto|py)$/.test(path);
  const name = snake ? /^[a-z0-9]+(?:[-_][a-z0-9]+)*(?:\.[a-z]+)*$/ : /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)*$/;
  return parts.filter((part) => !name.test(part)).map((part) => `"${part}" is not kebab-case`);
}

export function namesSayWhatItIs({ path }: SourceFile): readonly string[] {
  const found = /(?:^|[/-])(utils?|helpers?|common|managers?|misc)(?=[-./]|$)/.exec(path)?.[1];
  return found ? [`a name with "${found}" says nothing`] : [];
}

export function topLevelIsTheHouse({ path }: SourceFile): readonly string[] {
  const [top = ""] = path.split("/");
  return topLevel.has(top) ? [] : [`"${top}" is not part of the house's plan`];
}

export function noMachineIsMentioned({ path, text }: SourceFile): readonly string[] {
  if (path === "package-lock.json" || isGenerated(path)) return [];
  // Folders of a developer's machine; what tests make up starts with other names.
  const found = /(?<![\w.)}*~/-])\/(?:work|workspace|Users\/\w+|root)\/\w+/.exec(text)?.[0];
  return found && path !== "test/tidy.test.ts" ? [`mentions ${found}, a path of one machine`] : [];
}

export const rules: readonly Rule[] = [
  roomsImportOnlyTheirOwn,
  timeAndChanceComeFromClock,
  processesAreStartedByEngine,
  connectionsStayInTheWire,
  onlyCliPrints,
  factsAreNotReadFromSentences,
  recordsHoldValues,
  exportsHaveNames,
  filesAreShort,
  namesAreKebabCase,
  namesSayWhatItIs,
  topLevelIsTheHouse,
  noMachineIsMentioned,
];

/** What a file imports or re-exports, statically, dynamically and as types. */
export function importsOf(text: string): readonly string[] {
  const code = withoutComments(text);
  const patterns = [/\bfrom\s*["']([^"'\n]+)["']/g, /\bimport\s*["']([^"'\n]+)["']/g, /\bimport\s*\(\s*["'`]([^"'`\n]+)["'`]/g];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ""));
}

/** Strings in quotes, and comments. A template's holes are code and stay. */
const textOrComment = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

function withoutTexts(text: string): string {
  return text.replace(textOrComment, " ");
}

function withoutComments(text: string): string {
  return text.replace(textOrComment, (match) => (match.startsWith("/") ? " " : match));
}

function isSource(path: string): boolean {
  return path.startsWith("src/") && path.endsWith(".ts");
}

function isGenerated(path: string): boolean {
  return /(?:^|\/)gen\//.test(path);
}

function roomOf(path: string): string | undefined {
  if (path.startsWith("gen/")) return "gen";
  return /^src\/([^/]+)\//.exec(path)?.[1];
}
