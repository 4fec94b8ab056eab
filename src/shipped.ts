import { fileURLToPath, pathToFileURL } from "node:url";

// From source, or built: what is bundled is in dist/.
const source = import.meta.url.endsWith(".ts");
const at = (fromSource: string, built: string): string => fileURLToPath(new URL(source ? fromSource : built, import.meta.url));

/** What comes with this program, for programs that it runs: where it is. */
export const shipped = {
  /** Runs a module: `node HOST MODULE [EXPORT]`. */
  moduleHost: at("./replica/host.ts", "../bundle/host.js"),
  /** Makes Node look for packages in a deployment's own first: `node --import=URL`. */
  npmHook: pathToFileURL(at("./replica/npm-environment.ts", "../bundle/npm.js")).href,
  /** The folder of the SDK for Python. */
  pythonSdk: at("../sdk/python", "../../sdk/python"),
} as const;
