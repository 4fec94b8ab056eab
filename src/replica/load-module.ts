import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { definitionAt } from "../program/application.ts";
import type { Definition } from "../program/definition.ts";
import { pathInBundle } from "./bundle-paths.ts";
import { stackText } from "./stack-text.ts";

/** Why a program does not start, for its author; shown without a stack. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/**
 * The definition in the module at `path` (relative to the working folder): an export, or a
 * deployment of an application. Fails with a `StartError`.
 */
export async function loadDefinition(path: string, exportName: string): Promise<Definition> {
  const file = resolve(path);
  if (!existsSync(file)) throw new StartError(missing(file));
  const found = await definitionAt(await importModule(file), exportName, file);
  if ("error" in found) throw new StartError(`${file}: ${found.error}`);
  return found;
}

function missing(file: string): string {
  const inBundle = pathInBundle(file);
  if (inBundle !== undefined) return `no such module: the bundle has no file ${inBundle}`;
  return `no such module: ${file}; replicas run on the machine ${hostname()}, and paths are of that machine`;
}

async function importModule(file: string): Promise<Record<string, unknown>> {
  try {
    return await import(pathToFileURL(file).href);
  } catch (cause) {
    throw new StartError(`${file} cannot be imported: ${importRemedy(cause, file)}${stackText(cause)}`);
  }
}

/** What to do about an import error of the module or its constructor; empty: nothing known. */
export function importRemedy(cause: unknown, file: string): string {
  const { code } = (cause ?? {}) as { code?: unknown };
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return "Node only removes types, so enums, namespaces and parameter properties do not work here; write them differently, or deploy the compiled JavaScript\n";
  }
  if (code === "ERR_UNKNOWN_FILE_EXTENSION" && /\.[cm]?ts$/.test(file)) {
    return `Node ${process.versions.node} cannot run TypeScript by itself; use 22.18 or newer, or deploy the compiled JavaScript\n`;
  }
  if (pathInBundle(file) !== undefined && (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND")) {
    return "a program in a bundle finds the bundle's files, and the packages of its lockfile (runtime_env.lockfile, such as package-lock.json) and of its npm list\n";
  }
  return "";
}
