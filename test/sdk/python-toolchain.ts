// A Python to run the SDK with: its dependencies in a virtual environment of the checkout's own,
// made once and kept.
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "../..");
const requirementsPath = join(root, "sdk/python/requirements-dev.txt");

/**
 * Installing takes seconds with a near mirror; a package without a binary would be compiled, which
 * is not waited for.
 */
const installMs = 300_000;

/** The interpreter, or why there is none. */
export type PythonToolchain = { readonly python: string } | { readonly missing: string };

let found: Promise<PythonToolchain> | undefined;

/**
 * Finds Python 3.10 or newer and makes the environment where it is not there yet. Never rejects.
 */
export function pythonToolchain(): Promise<PythonToolchain> {
  found ??= make().catch((error: unknown) => ({ missing: firstLines(error) }));
  return found;
}

/**
 * Whether a toolchain that is missing is a failure: where everything is to be checked, a test left
 * out would go unnoticed.
 */
export const toolchainsRequired = process.env.DROVER_TOOLCHAINS === "required";

async function make(): Promise<PythonToolchain> {
  const python = await findPython();
  if (python === undefined) return { missing: "there is no python3 of version 3.10 or newer with the module venv" };
  const key = createHash("sha256").update(`${python}\0`).update(readFileSync(requirementsPath)).digest("hex").slice(0, 16);
  const cache = join(root, "node_modules/.cache/drover-python");
  const place = join(cache, key);
  if (!existsSync(place)) await install(python, cache, place);
  return { python: join(place, "bin/python3") };
}

async function findPython(): Promise<string | undefined> {
  const ask = "import sys, venv, ensurepip; assert sys.version_info >= (3, 10); print(sys.executable + '\\n' + sys.version)";
  for (const name of ["python3", "/usr/bin/python3"]) {
    const answer = await promisify(execFile)(name, ["-c", ask]).catch(() => undefined);
    if (answer) return answer.stdout.split("\n")[0];
  }
  return undefined;
}

/**
 * Built in another folder and moved into place, so that the environment is complete, also if
 * another process does the same.
 */
async function install(python: string, cache: string, place: string): Promise<void> {
  const aside = join(cache, `.new-${randomUUID()}`);
  await mkdir(cache, { recursive: true });
  try {
    await promisify(execFile)(python, ["-m", "venv", aside], { timeout: installMs });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r", requirementsPath];
    await promisify(execFile)(join(aside, "bin/python3"), pip, { timeout: installMs });
    await rename(aside, place).catch((error: unknown) => {
      if (!existsSync(place)) throw error; // another process was first
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

function firstLines(error: unknown): string {
  const { stderr, message } = error as { readonly stderr?: string; readonly message?: string };
  return (stderr || message || String(error)).trim().split("\n").slice(0, 5).join("\n");
}
