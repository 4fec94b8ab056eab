import { resolve } from "node:path";
import { BundleError } from "../bundle/bundle-error.ts";
import { BundleProgress, filesInWords, largeFileLines } from "../bundle/bundle-progress.ts";
import type { FileDigests } from "../bundle/file-digests.ts";
import { folderOfSpec, placeInOwnBundle, putIntoBundle } from "../bundle/put-into-bundle.ts";
import {
  type BundleEvents,
  missingOf,
  type ReadBundle,
  readBundle,
  type SendOptions,
  type SentBundle,
  sendBundle,
} from "../bundle/send-bundle.ts";
import { bytesOf } from "../core/bundle.ts";
import { formatBytes } from "../core/resources.ts";
import { bundleDigest, byPath } from "../program/bundle-manifest.ts";
import { CliError } from "./cli-error.ts";
import { plain } from "./plain-text.ts";
import type { Session } from "./session.ts";
import { type LoadedSpec, placeIn } from "./spec-file.ts";

export interface BundleFlags {
  /** The folder that is sent; false: none is. Undefined: the nearest folder of the program. */
  readonly bundle?: string | false;
  /** False: no lockfile is filled in. */
  readonly lockfile?: boolean;
}

/** How bundles are sent again and again. */
export interface Resending {
  /** The digests of the folder's files, as they were last. */
  readonly digestsOf: (folder: string) => FileDigests;
  readonly events: BundleEvents;
}

/**
 * Sends the files of the specs' programs, and makes the specs name their bundles. Specs of one folder
 * share one. `dryRun`: nothing is sent, and what would be is printed, unless `quiet`. Returns the
 * bundles. Throws a `CliError` that names the spec.
 */
export async function bundleSpecs(
  session: Session,
  loaded: readonly LoadedSpec[],
  flags: BundleFlags & { readonly dryRun?: boolean; readonly quiet?: boolean },
  resending?: Resending,
): Promise<readonly SentBundle[]> {
  const bundles = new Map<string, Promise<SentBundle>>();
  const options = { ...sendOptions(session), without: specFilesOf(loaded, session.io.cwd) };
  const notes = new Set<string>();
  const given = flags.bundle ? resolve(session.io.cwd, flags.bundle) : undefined;
  for (const { spec, file, whole, lineOf } of loaded) {
    if (whole) continue;
    try {
      placeInOwnBundle(spec, given);
      const folder = folderOfSpec(spec, given);
      if (folder === undefined) continue;
      const bundle =
        bundles.get(folder) ??
        (flags.dryRun ? wouldSend(session, folder, options, flags.quiet ?? false) : send(session, folder, options, resending));
      bundles.set(folder, bundle);
      const sent = await bundle;
      const note = putIntoBundle(spec, sent, { digest: sent.digest, fillLockfile: flags.lockfile ?? true });
      if (note !== undefined) notes.add(note);
    } catch (cause) {
      if (!(cause instanceof BundleError)) throw cause;
      throw new CliError(`${placeIn(file, lineOf("spec.program"))}: ${cause.message}`);
    }
  }
  if (resending === undefined) for (const note of notes) session.note(note);
  return Promise.all(bundles.values());
}

/** The files of the specs. They are no part of a program: a change of them alone replaces no replica. */
function specFilesOf(loaded: readonly LoadedSpec[], cwd: string): ReadonlySet<string> {
  return new Set(loaded.flatMap(({ file, given }) => (given === undefined || file === "-" ? [] : resolve(cwd, file))));
}

type BundleOptions = Omit<SendOptions, "events">;

async function send(session: Session, folder: string, options: BundleOptions, resending: Resending | undefined): Promise<SentBundle> {
  if (resending !== undefined) {
    const { digestsOf, events } = resending;
    return sendBundle(folder, { ...options, digests: digestsOf(folder), events });
  }
  const progress = new BundleProgress(folder, session.io.stderr, () => session.io.nowMs());
  try {
    return await sendBundle(folder, { ...options, events: progress });
  } finally {
    progress.close();
  }
}

async function wouldSend(session: Session, folder: string, options: BundleOptions, quiet: boolean): Promise<SentBundle> {
  const read = await readBundle(folder, options);
  if (!quiet) printFiles(session, read, await missingOf(read, options));
  return { ...read, digest: bundleDigest(read.files) };
}

/** The files that would be sent, the largest first. */
function printFiles(session: Session, { folder, files }: ReadBundle, missing: ReadBundle["files"]): void {
  const lacks =
    missing.length === 0
      ? "the controller has all of them"
      : `the controller lacks ${filesInWords(missing.length)}, ${formatBytes(bytesOf(missing))}`;
  for (const line of largeFileLines(missing)) session.note(line);
  session.print(`${folder}  ${filesInWords(files.length)}, ${formatBytes(bytesOf(files))}  ${lacks}`);
  for (const { path, sizeBytes } of files.toSorted((a, b) => b.sizeBytes - a.sizeBytes || byPath(a, b)))
    session.print(`  ${plain(path)}  ${formatBytes(sizeBytes)}`);
}

function sendOptions(session: Session): BundleOptions {
  const { interrupted } = session.io;
  return {
    controller: session.controller(),
    call: () => ({ ...session.brief, signal: interrupted }),
    sleep: (ms, signal) => session.io.sleep(ms, signal),
  };
}
