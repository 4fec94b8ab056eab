// The documents of the repository as tests read them: prose, links, anchors and console blocks.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");

/** A Markdown file of the repository. */
export interface Document {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** One command of a console block, with the lines that it is shown to print. */
export interface Step {
  readonly command: string;
  readonly output: readonly string[];
}

/** Every Markdown file that is, or is about to be, in the repository. */
export function allDocuments(): readonly Document[] {
  const list = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"], {
    cwd: root,
    encoding: "utf8",
  });
  return list
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(root, path)))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

/** The commands of all `console` blocks, in order. A command is a line that begins with `$ `; the lines after it are its output. */
export function stepsOf(text: string): readonly Step[] {
  const blocks = [...text.matchAll(/^```console\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? "");
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = "", ...output] = part.trimEnd().split("\n");
        return { command, output };
      }),
  );
}

/** The text without blocks of code, line by line: lines of code are empty. */
export function proseOf(text: string): string {
  const withoutFences = text.replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, ""));
  return withoutFences.replace(/^ {4}.*$/gm, "");
}

/** The targets of all links, without those to other sites. */
export function linksOf(text: string): readonly string[] {
  const prose = proseOf(text).replace(/`[^`\n]*`/g, (code) => "x".repeat(code.length));
  const links = [...prose.matchAll(/\]\(([^()\s]+)\)/g), ...prose.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)];
  return links.map((match) => match[1] ?? "").filter((target) => !/^[a-z]+:/i.test(target));
}

/** The anchors that headings make, by GitHub's rule: a heading that comes again is numbered. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ""] of proseOf(text).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const slug = slugOf(heading);
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    anchors.add(times === 0 ? slug : `${slug}-${times}`);
  }
  return anchors;
}

function slugOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, "")
    .replace(/ /g, "-");
}
