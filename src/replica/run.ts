import { fileURLToPath } from "node:url";
import { type Application, applicationParts, isApplication } from "../program/application.ts";
import { type Definition, importFlag, specJson } from "../program/definition.ts";
import type { DeployOptions } from "./deploy.ts";

export interface RunOptions extends DeployOptions {
  /** The module that exports the definition, as a URL: `import.meta.url`. */
  readonly module: string;
  /**
   * The name of the export that is the definition or the application. Default: of an application
   * `app`; of a definition `default`, else the only definition.
   */
  readonly exportName?: string;
  /**
   * The name of the application. Default: what `bind` returns has the name of its first deployment,
   * and a definition alone that of its options. What `bind` returns is all of its application: the
   * rest of that is deleted.
   */
  readonly application?: string;
}

/**
 * Deploys the definition or the application that this module exports, like `drover run`. Returns the
 * name of the deployment, or of the application's first, when all replicas serve. Does nothing while
 * `drover run` or a replica imports the module. Fails with a `StatusError`: the error of the API, or
 * FAILED_PRECONDITION with the cause if the replicas do not start; or with a `BundleError` that
 * names a file that cannot be sent.
 */
export async function run(program: Definition | Application, options: RunOptions): Promise<string> {
  const path = options.module.startsWith("file:") ? fileURLToPath(options.module) : options.module;
  const { exportName } = options;
  const specs = isApplication(program)
    ? applicationParts({ root: program, reference: exportName ?? "app" }, {}, path).map(({ spec }) => spec)
    : [specJson(program, { path, exportName: exportName ?? "" })];
  const name = String(specs[0]?.name);
  if (!(importFlag in globalThis)) {
    // Imported only here, so that a replica does not pay for it.
    const { deploy } = await import("./deploy.ts");
    const prune = isApplication(program);
    await deploy(specs, { application: options.application ?? (prune ? name : ""), prune }, path, options);
  }
  return name;
}
