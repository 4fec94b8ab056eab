import { posix } from "node:path";
import { leadsOut } from "./bundle-manifest.ts";

/** The SDK's package, which every replica has. */
const sdk = "drover";
const dependencyFields = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];

type NpmFields = Readonly<Record<string, unknown>>;

/**
 * The folders and archives that a package-lock.json names, relative to its own folder: workspaces,
 * links and `file:` packages.
 */
export function npmReferences(lockfile: string): readonly string[] {
  const archives = [...lockfile.matchAll(/"(?:resolved|version)"\s*:\s*"file:([^"]*)"/g)].map(([, path = ""]) => decoded(path));
  return [...archives, ...projectsOf(fieldsOf(objectOf(lockfile).packages)).filter((folder) => folder !== "")];
}

/** A package-lock.json without the SDK. */
export interface WithoutSdk {
  readonly lockfile: string;
  /** The folders, in the bundle, of the projects that may depend on the SDK, relative to that of the lockfile. */
  readonly projects: readonly string[];
}

/**
 * A package-lock.json, at this path of a bundle, without the SDK that it installs from outside of the
 * bundle: from a clone or an archive that its developer has. Undefined: it does not.
 */
export function withoutOutsideSdk(path: string, lockfile: string): WithoutSdk | undefined {
  const lock = objectOf(lockfile);
  const packages = fieldsOf(lock.packages);
  const installed = `node_modules/${sdk}`;
  const { resolved } = fieldsOf(packages[installed]);
  if (typeof resolved !== "string") return undefined;
  const source = decoded(resolved.replace(/^file:/, ""));
  if (!leadsOut(posix.dirname(path), source)) return undefined;
  const folders = [installed, source];
  const kept = Object.entries(packages).filter(([name]) => !folders.some((folder) => `${name}/`.startsWith(`${folder}/`)));
  const projects = projectsOf(Object.fromEntries(kept));
  const changed = kept.map(([name, one]) => [name, projects.includes(name) ? withoutDependency(fieldsOf(one)) : one]);
  const { [sdk]: _, ...dependencies } = fieldsOf(lock.dependencies); // of an older form of the file
  const whole = { ...lock, packages: Object.fromEntries(changed), ...(lock.dependencies === undefined ? {} : { dependencies }) };
  return { lockfile: JSON.stringify(whole, undefined, 2), projects: projects.filter((name) => !leadsOut(posix.dirname(path), name)) };
}

/** A package.json without its dependency on the SDK. */
export const manifestWithoutSdk = (manifest: string): string => JSON.stringify(withoutDependency(objectOf(manifest)), undefined, 2);

function withoutDependency(project: NpmFields): NpmFields {
  const changed = dependencyFields.flatMap((field) => {
    const { [sdk]: dropped, ...rest } = fieldsOf(project[field]);
    return dropped === undefined ? [] : [[field, rest]];
  });
  return { ...project, ...Object.fromEntries(changed) };
}

/** The keys of the packages that are the project and its workspaces, and no installed ones. */
const projectsOf = (packages: NpmFields): readonly string[] => Object.keys(packages).filter((name) => !name.startsWith("node_modules/"));

/** The JSON object of a text; empty for any other text, whose faults the tool reports. */
export function objectOf(text: string): NpmFields {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return {};
  }
}

function fieldsOf(value: unknown): NpmFields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as NpmFields) : {};
}

/** A path of a `file:` URL, which npm reads with its escapes. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
