import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { promisify } from "node:util";

/** Built programs are kept here, by what they were built of. */
const cache = resolve(import.meta.dirname, "../../node_modules/.cache/go-programs");
/** The first build gets modules and compiles them all. */
const buildMs = 600_000;
const reasonCharsMax = 1_000;

/** A program, or why there is none here. */
export type Built = { readonly path: string } | { readonly missing: string };

/**
 * Builds the Go program in `folder`, or another `program` that its go.mod names, unless that was done before. Where that is not possible (no `go`, modules out of reach) it says why, and
 * the tests that need the program are left out; with DROVER_TOOLCHAINS=required it throws instead.
 */
export async function goProgram(folder: string, program = "."): Promise<Built> {
  try {
    return { path: await built(folder, program) };
  } catch (cause) {
    const missing = reasonOf(cause);
    if (process.env.DROVER_TOOLCHAINS === "required") throw new Error(missing, { cause });
    console.warn(`left out, because ${missing}`);
    return { missing };
  }
}

async function built(folder: string, program: string): Promise<string> {
  const { stdout: version } = await promisify(execFile)("go", ["version"], { cwd: folder });
  const name = basename(program === "." ? folder : program);
  const home = join(cache, `${name}-${await digestOf(folder, version)}`);
  const path = join(home, name);
  if (existsSync(path)) return path;
  const aside = `${home}.${process.pid}.new`;
  await mkdir(aside, { recursive: true });
  try {
    await promisify(execFile)("go", ["build", "-o", join(aside, name), program], { cwd: folder, timeout: buildMs });
    // Whole or not at all, and once: another run may have been faster.
    await rename(aside, home).catch((error: unknown) => {
      if (!existsSync(path)) throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return path;
}

/** Of everything that the program is built of. */
async function digestOf(folder: string, version: string): Promise<string> {
  const hash = createHash("sha256").update(version);
  const entries = await readdir(folder, { recursive: true });
  for (const entry of entries.filter((one) => /\.go$|(?:^|\/)go\.(?:mod|sum)$/.test(one)).toSorted()) {
    hash.update(`\0${entry}\0`).update(await readFile(join(folder, entry)));
  }
  return hash.digest("hex").slice(0, 16);
}

function reasonOf(cause: unknown): string {
  const { code, stderr, message } = cause as NodeJS.ErrnoException & { readonly stderr?: string };
  if (code === "ENOENT") return "there is no go on the PATH";
  return `the Go program could not be built: ${(stderr || message).trim().slice(-reasonCharsMax)}`;
}
