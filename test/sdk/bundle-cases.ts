// Folders, and what of them is sent as a bundle: one table for all that send programs.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What stands at a path; a text is a file with it. */
export type Entry = string | { readonly text: string; readonly mode: number } | { readonly link: string } | { readonly special: "pipe" };

export interface BundleCase {
  /** The law. */
  readonly says: string;
  /** By path; a path in Latin-1 where it begins with `latin1:`. */
  readonly entries: Readonly<Record<string, Entry>>;
  /** The folder that is sent, in the folder of the entries. Default: all. */
  readonly sent?: string;
  /** Bounds other than the default. */
  readonly bounds?: { readonly filesMax?: number; readonly fileBytesMax?: number; readonly bundleBytesMax?: number };
  /** The files that are sent, with `*` after the executable ones. */
  readonly files?: readonly string[];
  /** What the error that refuses the folder names. */
  readonly refused?: readonly string[];
}

const pattern = (text: string, files: readonly string[], sent: readonly string[]): Pick<BundleCase, "entries" | "files"> => ({
  entries: { ".gitignore": text, ...Object.fromEntries(files.map((path) => [path, ""])) },
  files: [".gitignore", ...sent],
});

export const bundleCases: readonly BundleCase[] = [
  {
    says: "all files are sent, in the order of the bytes of their paths; folders without files are not",
    entries: { "b.py": "", "a/z.py": "", "a.py": "", "a-b": "", "Ä.py": "", "\u{1f600}.py": "", "\uff61.py": "", "empty/.keep/none": "" },
    files: ["a-b", "a.py", "a/z.py", "b.py", "empty/.keep/none", "Ä.py", "\uff61.py", "\u{1f600}.py"],
  },
  {
    says: "a name keeps its normal form",
    entries: { "u\u0308.py": "", "\u00e4.py": "" },
    files: ["u\u0308.py", "\u00e4.py"],
  },
  {
    says: "each right to execute makes a file executable",
    entries: {
      "run.sh": { text: "#!/bin/sh\n", mode: 0o755 },
      group: { text: "", mode: 0o610 },
      "read.py": { text: "", mode: 0o444 },
    },
    files: ["group*", "read.py", "run.sh*"],
  },
  {
    says: "what is never sent is not, in no folder and whatever the rules say",
    entries: {
      ".droverignore": "!node_modules\n!.git\n!venv\n!pyvenv.cfg\n",
      ".git/HEAD": "",
      "node_modules/a/index.js": "",
      "sub/node_modules/b/index.js": "",
      ".drover/state": "",
      "sub/__pycache__/app.cpython-311.pyc": "",
      "venv/pyvenv.cfg": "",
      "venv/bin/python": "",
      "sub/.env/pyvenv.cfg": "",
      "sub/.git": "gitdir: elsewhere\n",
      ".env": "A=1\n",
      ".github/workflow.yml": "",
      "sub/app.py": "",
    },
    files: [".droverignore", ".env", ".github/workflow.yml", "sub/app.py"],
  },
  {
    says: "what editors leave behind is not sent, unless a rule takes it back in",
    entries: {
      ".app.py.swp": "",
      "app.py": "",
      "app.py~": "",
      "#app.py#": "",
      ".DS_Store": "",
      "sub/.#app.py": { link: "user@host.4711:1" },
      "sub/.app.py.swo": "",
      "sub/.gitignore": "!*~\n",
      "sub/kept~": "",
    },
    files: ["app.py", "sub/.gitignore", "sub/kept~"],
  },
  {
    says: "a folder that is named is sent, also if it is a virtual environment",
    entries: { "venv/pyvenv.cfg": "", "venv/app.py": "" },
    sent: "venv",
    files: ["app.py", "pyvenv.cfg"],
  },
  {
    says: "a pattern without a slash is of every folder, with one of its own folder alone",
    ...pattern(
      "*.log\n/top.txt\ndoc/*.md\n",
      ["a.log", "sub/b.log", "top.txt", "sub/top.txt", "doc/a.md", "sub/doc/a.md"],
      ["sub/doc/a.md", "sub/top.txt"],
    ),
  },
  {
    says: "a pattern that ends in a slash is of folders alone",
    ...pattern("build/\n", ["build/a", "sub/build/b", "other/build"], ["other/build"]),
  },
  {
    says: "the later line wins, and takes back in",
    ...pattern("*.txt\n!keep.txt\nkeep.txt\n!sub/keep.txt\n", ["a.txt", "keep.txt", "sub/keep.txt"], ["sub/keep.txt"]),
  },
  {
    says: "nothing is taken back in from a folder that is left out",
    ...pattern("data/\n!data/keep.csv\nmore/*\n!more/keep.csv\n", ["data/keep.csv", "more/keep.csv", "more/a.csv"], ["more/keep.csv"]),
  },
  {
    says: "a list of what is sent leaves out the rest at every level",
    ...pattern(
      "*\n!*/\n!*.py\n!.gitignore\n",
      ["app.py", "app.txt", "sub/app.py", "sub/app.txt", "sub/sub/b.py", "sub/sub/b.c"],
      ["app.py", "sub/app.py", "sub/sub/b.py"],
    ),
  },
  {
    says: "what a folder holds matches by itself where the folder was taken back in",
    entries: {
      ".gitignore": "out\n",
      ".droverignore": "!out\n",
      "out/a.js": "",
      "out/out/b.js": "",
      "sub/.gitignore": "deep/\n",
      "sub/.droverignore": "!deep/\n",
      "sub/deep/deep/c": "",
    },
    files: [".droverignore", ".gitignore", "out/a.js", "out/out/b.js", "sub/.droverignore", "sub/.gitignore", "sub/deep/deep/c"],
  },
  {
    says: "stars, questions, ranges and escapes are those of git",
    ...pattern(
      "a/**/z\n**/cache\nlogs/**\n?.c\n[ab].h\n[!ab].o\n\\#x\n\\!y\ntrail\\ \nkept  \n[\n\\\n!\n",
      ["a/z", "a/b/z", "a/b/c/z", "b/z", "x/cache/f", "logs/1", "x/logs/2", "a.c", "ab.c", "a.h", "c.h", "a.o", "c.o"].concat([
        "#x",
        "!y",
        "trail ",
        "kept",
        "[",
      ]),
      ["[", "a.o", "ab.c", "b/z", "c.h", "x/logs/2"],
    ),
  },
  {
    says: "two stars before a last slash are the folders below",
    ...pattern("a/**/\n/?/**/z/\n", ["a/f", "a/b/f", "a/b/c/f", "b/a/c/f", "b/z", "c/z/f"], ["a/f", "b/a/c/f", "b/z"]),
  },
  {
    says: "upper and lower case differ in a pattern",
    ...pattern("Build\n*.TXT\n", ["build/a", "a.txt", "sub/b.TXT"], ["a.txt", "build/a"]),
  },
  {
    says: "a line without a pattern says nothing, in every folder",
    entries: { "sub/.gitignore": "   \n!\n! \n/\n\\\n#\n*.log \n", "sub/a.log": "", "sub/deep/a": "", "sub/ ": "" },
    files: ["sub/ ", "sub/.gitignore", "sub/deep/a"],
  },
  {
    says: "a folder with the marks of patterns in its name has its own rules",
    entries: { "[a]*!/.gitignore": "b\n/c\n", "[a]*!/b": "", "[a]*!/c": "", "[a]*!/d": "", "a/b": "", "ax!/c": "" },
    files: ["[a]*!/.gitignore", "[a]*!/d", "a/b", "ax!/c"],
  },
  {
    says: "a comment, an empty line, a byte order mark and the line ends of Windows are no part of a pattern",
    ...pattern("\ufeffa.txt\r\n# b.txt\r\n\r\nc.txt\r\nd\u2028e\n", ["a.txt", "b.txt", "c.txt", "d", "e"], ["b.txt", "d", "e"]),
  },
  {
    says: "the nearer file wins, and .droverignore of the same folder over .gitignore",
    entries: {
      ".gitignore": "*.csv\n!b.bin\n",
      ".droverignore": "*.bin\n!top.csv\n",
      "top.csv": "",
      "other.csv": "",
      "b.bin": "",
      "sub/.gitignore": "!keep.csv\n!keep.bin\n",
      "sub/keep.csv": "",
      "sub/keep.bin": "",
      "sub/other.csv": "",
      "sub/sub/keep.csv": "",
    },
    files: [".droverignore", ".gitignore", "sub/.gitignore", "sub/keep.bin", "sub/keep.csv", "sub/sub/keep.csv", "top.csv"],
  },
  {
    says: "the .gitignore files above the folder count up to the root of the repository",
    entries: {
      ".gitignore": "*.outside\n",
      "repo/.git/HEAD": "",
      "repo/.gitignore": "*.log\n/services/app/local\nlocal2\n",
      "repo/.droverignore": "app.py\n",
      "repo/services/.gitignore": "!keep.log\n",
      "repo/services/app/app.py": "",
      "repo/services/app/a.log": "",
      "repo/services/app/keep.log": "",
      "repo/services/app/local": "",
      "repo/services/app/sub/local": "",
      "repo/services/app/sub/local2": "",
      "repo/services/app/a.outside": "",
    },
    sent: "repo/services/app",
    files: ["a.outside", "app.py", "keep.log", "sub/local"],
  },
  {
    says: "without a repository, no file above the folder counts",
    entries: { ".gitignore": "*\n", "app/app.py": "" },
    sent: "app",
    files: ["app.py"],
  },
  {
    says: "a folder is sent although its repository leaves it out",
    entries: { ".git/HEAD": "", ".gitignore": "build/\n*.log\n", "build/app/app.js": "", "build/app/a.log": "" },
    sent: "build/app",
    files: ["app.js"],
  },
  {
    says: "a link to a file or a folder of the folder is sent as what it leads to",
    entries: {
      "real/app.py": { text: "print()\n", mode: 0o755 },
      "link.py": { link: "real/app.py" },
      linked: { link: "real" },
      "far/twice": { link: "../linked" },
    },
    files: ["far/twice/app.py*", "link.py*", "linked/app.py*", "real/app.py*"],
  },
  {
    says: "rules hold for the path of a link, and a pattern of folders for a link to one",
    entries: {
      ".gitignore": "out/\n/linked/b\n",
      "real/a": "",
      "real/b": "",
      "real/.gitignore": "c\n",
      "real/c": "",
      out: { link: "real" },
      linked: { link: "real" },
    },
    files: [".gitignore", "linked/.gitignore", "linked/a", "real/.gitignore", "real/a", "real/b"],
  },
  {
    says: "a link that is left out may lead anywhere",
    entries: { ".droverignore": "out\n", "app.py": "", out: { link: "/etc" }, "node_modules/.bin/x": { link: "/nowhere" } },
    files: [".droverignore", "app.py"],
  },
  {
    says: "the folder itself may be a link",
    entries: { "real/app.py": "", "real/b.py": { link: "app.py" }, app: { link: "real" } },
    sent: "app",
    files: ["app.py", "b.py"],
  },
  {
    says: "a link out of the folder is refused",
    entries: { "app/out": { link: "../other" }, "other/a": "" },
    sent: "app",
    refused: ["out"],
  },
  {
    says: "a link to a folder whose name begins with that of the folder leads out of it",
    entries: { "app/out": { link: "../app2/a" }, "app2/a": "" },
    sent: "app",
    refused: ["out"],
  },
  { says: "an absolute link out of the folder is refused", entries: { "sub/passwd": { link: "/etc/passwd" } }, refused: ["sub/passwd"] },
  { says: "a link to nothing is refused", entries: { gone: { link: "nowhere" } }, refused: ["gone"] },
  { says: "a link to itself is refused", entries: { me: { link: "me" } }, refused: ["me"] },
  { says: "a link to a folder that it is in is refused", entries: { "a/b/up": { link: "../../a" } }, refused: ["a/b/up"] },
  {
    says: "links into each other are refused",
    entries: { "a/b": { link: "../b" }, "b/a": { link: "../a" } },
    refused: ["symbolic link"],
  },
  { says: "a pipe is refused", entries: { "sub/pipe": { special: "pipe" } }, refused: ["sub/pipe"] },
  { says: "a pipe that is left out is not", entries: { ".droverignore": "pipe\n", pipe: { special: "pipe" } }, files: [".droverignore"] },
  { says: "a name that is not UTF-8 is refused", entries: { "latin1:sub/caf\u00e9.txt": "" }, refused: ["caf"] },
  { says: "a name with a line feed is refused", entries: { "sub/a\nb": "" }, refused: ["sub"] },
  { says: "a name with a backslash is refused", entries: { "sub/a\\b": "" }, refused: ["sub"] },
  {
    says: "names that differ only in case are refused",
    entries: { "sub/Readme": "", "sub/README": "" },
    refused: ["sub/Readme", "sub/README"],
  },
  {
    says: "folders that differ only in normal form are refused",
    entries: { "\u00e4/a": "", "a\u0308/b": "" },
    refused: ["\u00e4", "a\u0308"],
  },
  {
    says: "a path of more than 1,024 bytes is refused",
    entries: { [`${"long-name-of-a-folder/".repeat(50)}a`]: "" },
    refused: ["long-name-of-a-folder", "1,024"],
  },
  {
    says: "a file above the bound of a file is refused",
    entries: { "sub/big": "12345", a: "" },
    bounds: { fileBytesMax: 4 },
    refused: ["sub/big"],
  },
  {
    says: "files above the bound of a bundle are refused, and the largest is named",
    entries: { "sub/big": "123456", a: "12345" },
    bounds: { bundleBytesMax: 10 },
    refused: ["sub/big"],
  },
  {
    says: "more files than the bound are refused, and the folder with the most is named",
    entries: { "app.py": "", "data/a": "", "data/b": "", "data/c": "" },
    bounds: { filesMax: 3 },
    refused: ["data", "3"],
  },
  {
    says: "as many files and bytes as the bounds are sent",
    entries: { a: "123", b: "4567" },
    bounds: { filesMax: 2, fileBytesMax: 4, bundleBytesMax: 7 },
    files: ["a", "b"],
  },
];

/** Makes what a case says, in a folder that is there. Returns the folder that is sent. */
export function makeCase({ entries, sent = "" }: BundleCase, folder: string): string {
  for (const [path, entry] of Object.entries(entries)) {
    const latin1 = path.startsWith("latin1:");
    const name = latin1 ? path.slice("latin1:".length) : path;
    const whole = latin1 ? Buffer.from(join(folder, name), "latin1") : join(folder, name);
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    if (typeof entry === "object" && "link" in entry) symlinkSync(entry.link, whole);
    else if (typeof entry === "object" && "special" in entry) execFileSync("mkfifo", [String(whole)]);
    else {
      const { text, mode } = typeof entry === "string" ? { text: entry, mode: 0o644 } : entry;
      writeFileSync(whole, text, { mode: 0o644 });
      chmodSync(whole, mode);
    }
  }
  return join(folder, sent);
}
