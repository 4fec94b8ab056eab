// Loaded before a program whose deployment names npm packages, or whose module is in a bundle
// (`node --import`). Imports of the program's own files are resolved among those packages first;
// imports of packages are resolved as usual. What a program in a bundle imports is in the bundle or
// among its packages: never in a folder above, which may change while the bundle stays. `drover`
// itself is found always, also by a program that is only described.
import { realpathSync } from "node:fs";
import * as nodeModule from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const { DROVER_NPM_ENVIRONMENT: folder, DROVER_BUNDLE_FOLDER: bundle, NODE_PATH } = process.env;

/** Missing in older versions of Node, which a program may start; there only NODE_PATH works. */
const { registerHooks } = nodeModule;

type Resolve = NonNullable<Parameters<typeof nodeModule.registerHooks>[0]["resolve"]>;
type Context = Parameters<Resolve>[1];

if (registerHooks !== undefined) {
  // Among the packages, where no package.json of a project gives its own name a meaning.
  const environmentURL = folder === undefined ? undefined : pathToFileURL(join(folder, "node_modules", "package.json")).href;
  const roots = bundle === undefined ? [] : [bundle, folder ?? bundle].map(urlOf);
  const givenFolders = bundle === undefined ? [] : (NODE_PATH ?? "").split(delimiter).filter(Boolean).map(urlOf);
  registerHooks({
    resolve(specifier, given, next) {
      const context = { ...given }; // a copy, because Node writes the fields passed to `next` into what is given
      const { parentURL } = context;
      if (parentURL === undefined || !isPackage(specifier)) return next(specifier, context);
      const inPackage = parentURL.includes("/node_modules/");
      if (environmentURL !== undefined && !inPackage) {
        try {
          return next(specifier, { ...context, parentURL: environmentURL });
        } catch {
          // It is resolved as usual.
        }
      }
      if (!isIn(roots, parentURL)) return isDrover(specifier) ? elseOwn(specifier, context, next) : next(specifier, { ...context });
      return inBundle(specifier, context, next);
    },
  });

  function inBundle(specifier: string, context: Context, next: Parameters<Resolve>[2]) {
    try {
      const found = next(specifier, { ...context });
      if (!found.url.startsWith("file:") || isIn(roots, found.url) || isIn(givenFolders, found.url)) return found;
      if (!isDrover(specifier)) throw notFound(specifier, context);
    } catch (cause) {
      if (!isDrover(specifier)) throw cause;
    }
    return next(specifier, { ...context, parentURL: import.meta.url }); // a package resolves its own name
  }

  function elseOwn(specifier: string, context: Context, next: Parameters<Resolve>[2]) {
    try {
      return next(specifier, { ...context });
    } catch {
      return next(specifier, { ...context, parentURL: import.meta.url });
    }
  }
}

const isDrover = (specifier: string): boolean => /^drover(?:\/|$)/.test(specifier);
const isIn = (folders: readonly string[], url: string): boolean => folders.some((one) => url.startsWith(`${one}/`));

/** The URL of a folder, as Node has those of modules: without symbolic links. */
function urlOf(path: string): string {
  try {
    return pathToFileURL(realpathSync(path)).href;
  } catch {
    return pathToFileURL(path).href;
  }
}

/** Whether the specifier names a package, not a file, a URL, a `#` import or a module of Node. */
function isPackage(specifier: string): boolean {
  return /^[^./#]/.test(specifier) && !/^[a-z][a-z0-9+.-]+:/.test(specifier) && !nodeModule.isBuiltin(specifier);
}

/** As Node says it. */
function notFound(specifier: string, { parentURL = "", conditions }: Context): Error {
  const code = conditions.includes("require") ? "MODULE_NOT_FOUND" : "ERR_MODULE_NOT_FOUND";
  const from = parentURL.startsWith("file:") ? fileURLToPath(parentURL) : parentURL;
  return Object.assign(new Error(`Cannot find package '${specifier}' imported from ${from}`), { code });
}
