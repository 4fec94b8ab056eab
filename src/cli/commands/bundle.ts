import { resolve } from "node:path";
import { BundleFileSchema } from "../../../gen/drover/v1/bundle_pb.ts";
import { filesInWords } from "../../bundle/bundle-progress.ts";
import { formatBytes } from "../../core/resources.ts";
import { exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption, readInteger } from "../command.ts";
import { bundleOf, listBundle, readBundleFiles, writeBundleFiles } from "../download-bundle.ts";
import { messageJson, printJson, printTable } from "../print.ts";
import type { Session } from "../session.ts";

interface BundleCommandFlags {
  readonly revision?: number;
  readonly to?: string;
  readonly output: Format;
}

/** `drover bundle`: the program's files, as they were deployed. */
export const addBundle: AddCommand = (program, act) => {
  program
    .command("bundle")
    .description("list the files of a deployment's program as they were deployed, print one, or write them into a folder")
    .argument("<name>", "the deployment")
    .argument("[path]", "the only file wanted: it is printed")
    .option("--revision <number>", "of this revision (default: the present one)", readInteger(1, Number.MAX_SAFE_INTEGER))
    .option("--to <folder>", "write the files into this folder, which must be empty or not exist")
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples("drover bundle sentiment", "drover bundle sentiment src/app.ts", "drover bundle sentiment --revision 3 --to ./as-it-was"),
    )
    .action(
      act(async (session, name: string, path: string | undefined, flags: BundleCommandFlags) => {
        const { revision, to, output } = flags;
        if (path === "") throw usage("give the path of a file of the bundle");
        if (to === "") throw usage("--to: give the path of a folder");
        if (output === "json" && (path !== undefined || to !== undefined)) throw usage("-o json: belongs to a list of files");
        const digest = await bundleOf(session, name, revision);
        if (to !== undefined) await writeAll(session, digest, path, resolve(session.io.cwd, to));
        else if (path !== undefined) await printFile(session, digest, path);
        else await printList(session, digest, output);
        return exitCodes.done;
      }),
    );
};

async function writeAll(session: Session, digest: string, path: string | undefined, folder: string): Promise<void> {
  const files = await writeBundleFiles(readBundleFiles(session, digest, path), folder);
  session.note(`${countAndSize(files)} in ${folder}`);
}

async function printFile(session: Session, digest: string, path: string): Promise<void> {
  for await (const { content } of readBundleFiles(session, digest, path)) for await (const data of content) session.io.stdout.write(data);
}

async function printList(session: Session, digest: string, output: Format): Promise<void> {
  const files = await listBundle(session, digest);
  if (output === "json") {
    printJson(session, { bundle: digest, files: files.map((file) => messageJson(BundleFileSchema, file)) });
    return;
  }
  printTable(
    session,
    ["SIZE", "", "PATH"],
    files.map(({ path, size, executable }) => [formatBytes(Number(size)), executable ? "x" : "", path]),
  );
  session.note(`${countAndSize(files)}, ${digest}`);
}

function countAndSize(files: readonly { readonly size: bigint }[]): string {
  const bytes = files.reduce((sum, { size }) => sum + Number(size), 0);
  return `${filesInWords(files.length)}, ${formatBytes(bytes)}`;
}
