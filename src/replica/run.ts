import { fileURLToPath } from "node:url";
import { type Definition, importFlag, specJson } from "../program/definition.ts";
import type { DeployOptions } from "./deploy.ts";

export interface RunOptions extends DeployOptions {
  /** The module that exports the definition, as a URL: `import.meta.url`. */
  readonly module: string;
  /** The export that is the definition; unset: `default`, or else the only one. */
  readonly exportName?: string;
}

/**
 * Deploys what this module exports, like `drover run`, and gives the deployment's name when all its replicas serve. Where the
 * module is imported to be deployed or to serve, by `drover run` or in a replica, it does nothing. Fails with a `StatusError`: what the API answers, or
 * FAILED_PRECONDITION with the cause when the replicas do not start.
 */
export async function run(definition: Definition, options: RunOptions): Promise<string> {
  const path = options.module.startsWith("file:") ? fileURLToPath(options.module) : options.module;
  const spec = specJson(definition, { path, exportName: options.exportName ?? "" });
  if (!(importFlag in globalThis)) {
    // Only here: a replica shall not pay for what it never uses.
    const { deploy } = await import("./deploy.ts");
    await deploy(spec, path, options);
  }
  return String(spec.name);
}
