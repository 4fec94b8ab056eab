import { createHash } from "node:crypto";
import { mkdir, open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BundleFile } from "../../gen/drover/v1/bundle_pb.ts";
import { bundlePathProblem } from "../program/bundle-manifest.ts";
import { everyPage } from "../rpc/every-page.ts";
import { CliError } from "./cli-error.ts";
import type { Session } from "./session.ts";

/** A file of a bundle, with its content. */
export interface BundleContent {
  readonly file: BundleFile;
  /**
   * Must be read before the next file. Fails with a `CliError` where the content is another one.
   */
  readonly content: AsyncIterable<Uint8Array>;
}

/** The digest of the bundle of a deployment's revision. Undefined `revision`: the present one. */
export async function bundleOf(session: Session, name: string, revision: number | undefined): Promise<string> {
  const spec = revision === undefined ? await presentSpec(session, name) : await specOfRevision(session, name, revision);
  const digest = spec?.runtimeEnv?.bundle ?? "";
  if (digest !== "") return digest;
  const which = revision === undefined ? `deployment "${name}"` : `revision ${revision} of deployment "${name}"`;
  throw new CliError(`${which} has no bundle: its program's files are those of the machine that runs it`);
}

/** What the files of a bundle are. */
export async function listBundle(session: Session, bundle: string): Promise<readonly BundleFile[]> {
  const files: BundleFile[] = [];
  for await (const { part } of session.controller().downloadBundle({ bundle, listOnly: true }, endless(session)))
    if (part.case === "file") files.push(part.value);
  return files;
}

/** The files of a bundle, or the one at `path`, with their contents. */
export async function* readBundleFiles(session: Session, bundle: string, path = ""): AsyncGenerator<BundleContent, void> {
  const messages = session.controller().downloadBundle({ bundle, path }, endless(session))[Symbol.asyncIterator]();
  try {
    let next = await messages.next();
    while (!next.done) {
      const { part } = next.value;
      if (part.case !== "file") throw new CliError("the controller sent a content without a file");
      const file = part.value;
      async function* content(): AsyncGenerator<Uint8Array, void> {
        const hash = createHash("sha256");
        for (next = await messages.next(); !next.done && next.value.part.case === "data"; next = await messages.next()) {
          hash.update(next.value.part.value);
          yield next.value.part.value;
        }
        if (hash.digest("hex") !== file.sha256) throw new CliError(`${JSON.stringify(file.path)} is broken where the controller keeps it`);
      }
      yield { file, content: content() };
    }
  } finally {
    await messages.return?.();
  }
}

/**
 * Writes files into a folder, which is made. Fails with a `CliError` if it has files, or one cannot
 * be written.
 */
export async function writeBundleFiles(files: AsyncIterable<BundleContent>, folder: string): Promise<readonly BundleFile[]> {
  try {
    await mkdir(folder, { recursive: true });
    if ((await readdir(folder)).length > 0) throw new CliError(`${folder} is not empty: name an empty folder, or a path where nothing is`);
    const written: BundleFile[] = [];
    for await (const one of files) {
      await writeOne(one, folder);
      written.push(one.file);
    }
    return written;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof CliError || code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
    throw new CliError(`cannot write into ${folder}: ${message}`);
  }
}

async function writeOne({ file, content }: BundleContent, folder: string): Promise<void> {
  // What a controller says is not trusted to stay in the folder.
  const problem = bundlePathProblem(file.path);
  if (problem !== undefined) throw new CliError(`the controller sent a path that ${problem} (got ${JSON.stringify(file.path)})`);
  const path = join(folder, file.path);
  await mkdir(dirname(path), { recursive: true });
  await using handle = await open(path, "wx", file.executable ? 0o777 : 0o666);
  for await (const data of content) await handle.writeFile(data);
}

async function presentSpec(session: Session, name: string) {
  return (await session.controller().getDeployment({ name }, session.brief)).deployment?.spec;
}

async function specOfRevision(session: Session, name: string, wanted: number) {
  const controller = session.controller();
  for await (const { revisions } of everyPage((pageToken) => controller.listRevisions({ name, pageToken }, session.brief))) {
    const found = revisions.find(({ revision }) => revision === BigInt(wanted));
    if (found !== undefined) return found.spec;
  }
  throw new CliError(`deployment "${name}" has no revision ${wanted}, or it is no longer kept: drover revisions ${name} lists them`);
}

/** A large bundle takes its time. */
const endless = (session: Session) => ({ signal: session.io.interrupted });
