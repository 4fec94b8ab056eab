import { delimiter } from "node:path";

/** Adds the Python SDK that comes with Drover to the end of `PYTHONPATH`. */
export function withPythonPath<E extends Readonly<Record<string, string | undefined>>>(
  env: E,
  sdk: string,
): E & { readonly PYTHONPATH: string } {
  return { ...env, PYTHONPATH: [...(env.PYTHONPATH ? [env.PYTHONPATH] : []), sdk].join(delimiter) };
}
