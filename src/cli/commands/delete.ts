import type { Deployment } from "../../../gen/drover/v1/deployment_pb.ts";
import { CliError, exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type WaitFlags, waitOptions } from "../command.ts";
import { failureLines } from "../failure.ts";
import { waitUntilGone } from "../wait.ts";
import { write } from "../write.ts";

interface DeleteFlags extends WaitFlags {
  readonly allowMissing?: boolean;
}

/** `drover delete`: deletes deployments. */
export const addDelete: AddCommand = (program, act) => {
  const command = program
    .command("delete")
    .description("delete deployments; requests in work are finished first")
    .argument("<name...>", "the deployments")
    .option("--allow-missing", "succeed also where there is none of that name");
  waitOptions(command, "they are gone")
    .addHelpText("after", examples("drover delete sentiment", "drover delete sentiment fr --no-wait"))
    .action(
      act(async (session, names: readonly string[], flags: DeleteFlags) => {
        const deleting: Deployment[] = [];
        const failures: string[] = [];
        for (const name of new Set(names)) {
          try {
            const { deployment } = await write(session, (requestId, options) =>
              session.controller().deleteDeployment({ name, allowMissing: flags.allowMissing ?? false, requestId }, options),
            );
            if (deployment) deleting.push(deployment);
            else session.print(`${name}  was not there`);
          } catch (error) {
            failures.push(...failureLines(error, session.called));
          }
        }
        if (flags.wait && deleting.length > 0) await waitUntilGone(session, deleting, flags.timeout);
        else for (const { spec } of deleting) session.print(`${spec?.name}  deleting`);
        if (failures.length > 0) throw new CliError(failures);
        return exitCodes.done;
      }),
    );
};
