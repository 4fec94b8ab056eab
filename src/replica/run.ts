import { fileURLToPath } from "node:url";
import { type Definition, importFlag, specJson } from "../program/definition.ts";
import type { DeployOptions } from "./deploy.ts";

export interface RunOptions extends DeployOptions {
  /** The module that exports the definition, as a URL: `import.meta.url`. */
  readonly module: string;
  /**
   * The name of the export that is the definition. Default: `default`, else the only definition.
   */
  readonly exportName?: string;
}

/**
 * Deploys the definition that this module exports, like `drover run`. Returns the deployment's name
 * when all its replicas serve. Does nothing while `drover run` or a replica imports the module.
 * Fails with a `StatusError`: the error of the API, or FAILED_PRECONDITION with the cause if the
 * replicas do not start.
 */
export async function run(definition: Definition, options: RunOptions): Promise<string> {
  const path = options.module.startsWith("file:") ? fileURLToPath(options.module) : options.module;
  const spec = specJson(definition, { path, exportName: options.exportName ?? "" });
  if (!(importFlag in globalThis)) {
    // Imported only here, so that a replica does not pay for it.
    const { deploy } = await import("./deploy.ts");
    await deploy(spec, path, options);
  }
  return String(spec.name);
}
