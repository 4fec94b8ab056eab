import { fileURLToPath, pathToFileURL } from "node:url";

// Whether this runs from source. In a build, bundles are in dist/.
const source = import.meta.url.endsWith(".ts");
const at = (fromSource: string, built: string): string => fileURLToPath(new URL(source ? fromSource : built, import.meta.url));

/** Where the files are that this program ships for the programs it runs. */
export const shipped = {
  /** Runs a module: `node HOST MODULE [EXPORT]`. */
  moduleHost: at("./replica/host.ts", "../bundle/host.js"),
  /** Describes what modules deploy, as its own comment says. */
  moduleDescriber: at("./replica/describe.ts", "../bundle/describe.js"),
  /** Makes Node look for packages in the deployment's own folder first: `node --import=URL`. */
  npmHook: pathToFileURL(at("./replica/npm-environment.ts", "../bundle/npm.js")).href,
  /** The folder of the SDK for Python. */
  pythonSdk: at("../sdk/python", "../../sdk/python"),
} as const;
