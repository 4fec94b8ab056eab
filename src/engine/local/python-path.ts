import { delimiter } from "node:path";

/** An environment in which Python finds the SDK that comes with Drover, after what the environment names itself. */
export function withPythonPath<E extends Readonly<Record<string, string | undefined>>>(
  env: E,
  sdk: string,
): E & { readonly PYTHONPATH: string } {
  return { ...env, PYTHONPATH: [...(env.PYTHONPATH ? [env.PYTHONPATH] : []), sdk].join(delimiter) };
}
