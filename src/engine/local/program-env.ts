import type { Capacity } from "../../core/resources.ts";
import type { Assignment } from "../engine.ts";
import { environmentVars } from "./installers.ts";
import type { Provision } from "./provisions.ts";
import { withPythonPath } from "./python-path.ts";
import { type ControllerAddresses, nodeOptions, type ProcessEnvironment, replicaEnv } from "./replica-env.ts";
import { needsNpm } from "./requirements.ts";

/** Python run by root would write compiled files into a bundle. The host of modules sees to it itself. */
const noCompiledFiles = { PYTHONDONTWRITEBYTECODE: "1" };

/** What the variables of programs depend on besides their assignments; `LocalEngineOptions` explains it. */
export interface ProgramEnvOptions {
  readonly ambientEnv: ProcessEnvironment;
  readonly capacity: Capacity;
  readonly npmHook: string;
  readonly pythonSdk: string;
  readonly controller?: () => ControllerAddresses | undefined;
}

/** All variables of a replica's process: the contract's, and those with which it finds its files and packages. */
export function programEnv(
  assignment: Assignment,
  address: string,
  { environment, folder }: Provision,
  { ambientEnv, capacity, npmHook, pythonSdk, controller }: ProgramEnvOptions,
): Record<string, string> {
  const { runtimeEnv, program } = assignment;
  const { bundle: digest } = runtimeEnv;
  const bundle = digest === undefined || folder === undefined ? undefined : { digest, folder };
  const envVars = { ...(bundle && program.kind === "command" ? noCompiledFiles : {}), ...runtimeEnv.envVars };
  const parameters = { ...assignment, address, envVars, bundle, controller: controller?.() };
  const env = withPythonPath(replicaEnv(parameters, ambientEnv, capacity), [...(bundle ? [bundle.folder] : []), pythonSdk]);
  const ofPackages = environment === undefined ? {} : environmentVars(environment, runtimeEnv, env);
  const isHooked = program.kind === "module" || bundle !== undefined || needsNpm(runtimeEnv);
  return { ...env, ...ofPackages, ...(isHooked && nodeOptions(env, npmHook)) };
}
