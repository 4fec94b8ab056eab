import { delimiter } from "node:path";

/** Adds folders to the end of `PYTHONPATH`. */
export function withPythonPath<E extends Readonly<Record<string, string | undefined>>>(
  env: E,
  folders: readonly string[],
): E & { readonly PYTHONPATH: string } {
  return { ...env, PYTHONPATH: [...(env.PYTHONPATH ? [env.PYTHONPATH] : []), ...folders].join(delimiter) };
}
