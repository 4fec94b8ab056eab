// Loaded before a program whose deployment names npm packages (`node --import`): what the program itself imports is looked for among
// those first. What a package imports is its own matter.
import * as nodeModule from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.env.DROVER_NPM_ENVIRONMENT;

/** Older Nodes, which a program may start by itself, have none: there NODE_PATH is all that helps. */
const { registerHooks } = nodeModule;

if (folder !== undefined && registerHooks !== undefined) {
  const parentURL = pathToFileURL(join(folder, "package.json")).href;
  registerHooks({
    resolve(specifier, context, next) {
      const ofProgram = context.parentURL !== undefined && !context.parentURL.includes("/node_modules/");
      if (!ofProgram || !isPackage(specifier)) return next(specifier, context);
      const own = { ...context }; // Node writes what it is given here into the context itself
      try {
        return next(specifier, { ...own, parentURL });
      } catch {
        return next(specifier, own);
      }
    },
  });
}

/** Whether it names a package, and not a file, a URL, an import of the program's own or a part of Node. */
function isPackage(specifier: string): boolean {
  return /^[^./#]/.test(specifier) && !/^[a-z][a-z0-9+.-]+:/.test(specifier) && !nodeModule.isBuiltin(specifier);
}
