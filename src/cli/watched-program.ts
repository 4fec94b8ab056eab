import { filesInWords, largeFileLines } from "../bundle/bundle-progress.ts";
import { FileDigests } from "../bundle/file-digests.ts";
import { findFolders } from "../bundle/find-files.ts";
import { FolderWatch } from "../bundle/folder-watch.ts";
import type { BundleEvents } from "../bundle/send-bundle.ts";
import { bytesOf } from "../core/bundle.ts";
import { formatBytes } from "../core/resources.ts";
import { takeAway } from "./attach.ts";
import { bundleSpecs } from "./bundle-specs.ts";
import { CliError, exitCodes, usage } from "./cli-error.ts";
import { applySpecs, type DeployFlags } from "./commands/deploy.ts";
import type { Session } from "./session.ts";
import type { LoadedSpec } from "./spec-file.ts";
import type { SaveStep } from "./watch-lines.ts";
import { type LoadedProgram, type WatchedProgram, WatchRun } from "./watch-run.ts";

/** What `drover run` deploys: the specs of a module or a command, and the flags that hold for them. */
export interface RunSpecs {
  readonly loaded: readonly LoadedSpec[];
  readonly flags: DeployFlags;
}

/** What `drover run --watch` deploys, and how it is read. */
export interface WatchSource {
  /** The folder that is sent. */
  readonly folder: string;
  /** The specs as the files say now. Fails where the signal aborts. */
  specs(signal: AbortSignal): Promise<RunSpecs>;
  /** Makes ready for the next `specs`. */
  prepare(): void;
  close(): void;
}

/** Throws a `CliError` where flags contradict `--watch`. */
export function checkWatchFlags({ dryRun, wait, output, bundle }: DeployFlags): void {
  if (dryRun) throw usage("--watch: deploys at each save, and --dry-run deploys nothing");
  if (!wait) throw usage("--watch: shows the rollouts until Ctrl-C, which --no-wait does not");
  if (output === "json") throw usage("-o json needs --dry-run: it shows what would change");
  if (bundle === false) throw usage("--watch: watches the files that are sent, and --no-bundle sends none");
}

/** `drover run --watch`: deploys now and at each save, until Ctrl-C. Returns the exit code. */
export async function watchProgram(session: Session, source: WatchSource, { attach = false, timeout }: DeployFlags): Promise<number> {
  const run = new WatchRun(session, programOf(source), new FolderWatch(session.io), attach ? "deletes it" : "leaves it running");
  await run.run();
  const { left } = run;
  const names = left.map(({ spec }) => spec?.name ?? "");
  if (!attach && names.length > 0) session.note(`${names.join(", ")}: left running; \`drover delete ${names.join(" ")}\` ends that`);
  if (!attach || names.length === 0) return exitCodes.interrupted;
  // What was interrupted is the watching, not this.
  const lasting = session.with({ interrupted: new AbortController().signal });
  const failures = await takeAway(lasting, left, timeout);
  if (failures.length > 0) throw new CliError(failures);
  return exitCodes.interrupted;
}

function programOf(source: WatchSource): WatchedProgram {
  const digests = new Map<string, FileDigests>();
  const digestsOf = (folder: string) => {
    const known = digests.get(folder) ?? new FileDigests();
    digests.set(folder, known);
    return known;
  };
  const noted = new Set<string>();
  return {
    folder: source.folder,
    prepare: () => source.prepare(),
    close: () => source.close(),
    findFolders: (signal) => findFolders(source.folder, signal).catch(() => [{ folder: source.folder, leavesOut: () => false }]),
    async load(session, report, signal): Promise<LoadedProgram> {
      const { loaded, flags } = await source.specs(signal);
      const sending = session.with({ interrupted: signal });
      const bundles = await bundleSpecs(sending, loaded, flags, { digestsOf, events: eventsOf(session, report, noted) });
      const files = bundles.flatMap((bundle) => bundle.files);
      return {
        size: `${filesInWords(files.length)}, ${formatBytes(bytesOf(files))}`,
        folders: bundles.flatMap((bundle) => bundle.folders),
        files: new Map(files.map(({ path, sha256, executable }) => [path, `${sha256} ${executable}`])),
        async deploy(within) {
          const { results, pruned } = await applySpecs(within, loaded, flags);
          return { deployed: results.flatMap(({ deployment }) => deployment ?? []), pruned };
        },
      };
    },
  };
}

/** Reports what is sent. A large file is named once. */
function eventsOf(session: Session, report: (step: SaveStep) => void, noted: Set<string>): BundleEvents {
  let what = "";
  let total = "";
  return {
    onBegin(missing, all) {
      for (const line of largeFileLines(all)) {
        if (!noted.has(line)) session.note(line);
        noted.add(line);
      }
      if (missing.length === 0) return;
      [what, total] = [filesInWords(missing.length), formatBytes(bytesOf(missing))];
      report({ kind: "sending", progress: `sending ${what}, ${total}` });
    },
    onProgress(sentBytes) {
      report({ kind: "sending", progress: `sending ${what}, ${formatBytes(sentBytes)} of ${total}` });
    },
  };
}
