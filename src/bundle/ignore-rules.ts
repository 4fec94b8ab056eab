import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ignore, { type Ignore } from "ignore";

/** Names that are never sent, of files and of folders. */
const never: ReadonlySet<string> = new Set([".git", "node_modules", ".drover", "__pycache__"]);
/** What editors leave behind while a file is edited, and desktops in folders. `!` takes it back in. */
const leftBehind = [".*.sw[a-p]", "*~", ".#*", "\\#*#", ".DS_Store"];
/** The files with rules of a folder, the stronger last. */
const ruleFiles = [".gitignore", ".droverignore"];

/**
 * What is left out in one folder, by its own rules and those of the folders above it. The nearest
 * file that says something of a path decides, and in it the last line.
 */
export class IgnoreRules {
  readonly #rules: Ignore;
  /** The path of the sent folder from the uppermost folder with rules; empty, or with `/` at its end. */
  readonly #prefix: string;

  private constructor(rules: Ignore, prefix: string) {
    this.#rules = rules;
    this.#prefix = prefix;
  }

  /** The rules of the `.gitignore` files above a folder, up to the folder of its repository. */
  static above(folder: string): IgnoreRules {
    const above: string[] = [];
    for (let at = folder; !existsSync(join(at, ".git")); ) {
      if (at === dirname(at)) return new IgnoreRules(weakestRules(), ""); // in no repository
      at = dirname(at);
      above.unshift(at);
    }
    const [top] = above;
    if (top === undefined) return new IgnoreRules(weakestRules(), "");
    const rules = weakestRules();
    for (const one of above) rules.add(linesOf(join(one, ".gitignore"), withSlash(relative(top, one))));
    // What is sent was named, also where the repository leaves it out.
    rules.add([...above.slice(1), folder].map((one) => `!/${escaped(withSlash(relative(top, one)))}`));
    return new IgnoreRules(rules, withSlash(relative(top, folder)));
  }

  /** The rules in a folder; `path` is its own inside the bundle, empty or with `/` at its end. */
  within(folder: string, path: string): IgnoreRules {
    const lines = ruleFiles.flatMap((name) => linesOf(join(folder, name), this.#prefix + path));
    return lines.length === 0 ? this : new IgnoreRules(noRules().add(this.#rules).add(lines), this.#prefix);
  }

  /** Whether a file is left out, or a folder if the path inside the bundle ends with `/`. */
  leavesOut(path: string): boolean {
    const name = path.replace(/\/$/, "").replace(/^.*\//s, "");
    return never.has(name) || this.#rules.ignores(this.#prefix + path);
  }
}

const noRules = (): Ignore => ignore({ ignorecase: false, allowRelativePaths: true });
const weakestRules = (): Ignore => noRules().add(leftBehind);
const withSlash = (path: string): string => (path === "" ? "" : `${path}/`);

/** The lines of a file with rules, which hold below `prefix`, as lines that hold from the top. */
function linesOf(file: string, prefix: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EISDIR") return [];
    throw error;
  }
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  return lines.filter((line) => !line.startsWith("#")).flatMap((line) => fromTop(line, prefix));
}

function fromTop(line: string, prefix: string): readonly string[] {
  const [, not = "", given = ""] = /^(!?)(.*)$/s.exec(line) ?? [];
  const pattern = given.replace(/(?<!\\) +$/, "");
  if (pattern === "" || pattern === "/") return [];
  if (prefix === "") return [`${not}${pattern}`];
  const isAnchored = pattern.replace(/\/$/, "").includes("/");
  return [isAnchored ? `${not}/${escaped(prefix)}${pattern.replace(/^\//, "")}` : `${not}/${escaped(prefix)}**/${pattern}`];
}

/** A path as a pattern of it alone. */
const escaped = (path: string): string => path.replace(/[\\*?[\]!# ]/g, "\\$&");
