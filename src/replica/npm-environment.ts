// Loaded before a program whose deployment names npm packages (`node --import`). Imports of the
// program's own files are resolved among those packages first; imports of packages are resolved as
// usual.
import * as nodeModule from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.env.DROVER_NPM_ENVIRONMENT;

/** Missing in older versions of Node, which a program may start; there only NODE_PATH works. */
const { registerHooks } = nodeModule;

if (folder !== undefined && registerHooks !== undefined) {
  const parentURL = pathToFileURL(join(folder, "package.json")).href;
  registerHooks({
    resolve(specifier, context, next) {
      const ofProgram = context.parentURL !== undefined && !context.parentURL.includes("/node_modules/");
      if (!ofProgram || !isPackage(specifier)) return next(specifier, context);
      const own = { ...context }; // a copy, because Node writes the fields passed to `next` into the context
      try {
        return next(specifier, { ...own, parentURL });
      } catch {
        return next(specifier, own);
      }
    },
  });
}

/** Whether the specifier names a package, not a file, a URL, a `#` import or a module of Node. */
function isPackage(specifier: string): boolean {
  return /^[^./#]/.test(specifier) && !/^[a-z][a-z0-9+.-]+:/.test(specifier) && !nodeModule.isBuiltin(specifier);
}
