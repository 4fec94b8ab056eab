import { type Revision, RevisionSchema } from "../../../gen/drover/v1/controller_service_pb.ts";
import { hexOf } from "../../core/bundle.ts";
import { everyPage } from "../../rpc/every-page.ts";
import { exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption } from "../command.ts";
import { age, messageJson, printJson, printTable } from "../print.ts";

/** `drover revisions`: the revisions that a rollback can go back to. */
export const addRevisions: AddCommand = (program, act) => {
  program
    .command("revisions")
    .description("list the revisions of a deployment's program, the newest first")
    .argument("<name>", "the deployment")
    .addOption(outputOption())
    .addHelpText("after", examples("drover revisions sentiment", "drover revisions sentiment -o json"))
    .action(
      act(async (session, name: string, flags: { readonly output: Format }) => {
        const controller = session.controller();
        const revisions: Revision[] = [];
        for await (const page of everyPage((pageToken) => controller.listRevisions({ name, pageToken }, session.brief)))
          revisions.push(...page.revisions);
        if (flags.output === "json")
          printJson(
            session,
            revisions.map((revision) => messageJson(RevisionSchema, revision)),
          );
        else
          printTable(
            session,
            ["REVISION", "VERSION", ...(someBundled(revisions) ? ["BUNDLE"] : []), "RUNNING", "WAS HEALTHY", "AGE", ""],
            revisions.map(({ revision, spec, runningReplicas, wasHealthy, createTime, current }) => [
              String(revision),
              spec?.version || "-",
              ...(someBundled(revisions) ? [shortDigest(spec?.runtimeEnv?.bundle)] : []),
              String(runningReplicas),
              wasHealthy ? "yes" : "no",
              age(session.io.nowMs(), createTime),
              current ? "current" : "",
            ]),
          );
        return exitCodes.done;
      }),
    );
};

/** The digits of a bundle's digest that tell it from the others of a deployment. */
const shownDigits = 12;

const someBundled = (revisions: readonly Revision[]): boolean => revisions.some(({ spec }) => spec?.runtimeEnv?.bundle);

function shortDigest(digest: string | undefined): string {
  return digest ? hexOf(digest).slice(0, shownDigits) : "-";
}
