import { CliError, exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, readInteger, type WaitFlags, waitOptions } from "../command.ts";
import { waitUntilHealthy } from "../wait.ts";
import { write } from "../write.ts";

interface RollbackFlags extends WaitFlags {
  readonly to?: number;
}

/** `drover rollback`: goes back to an old revision. */
export const addRollback: AddCommand = (program, act) => {
  const command = program
    .command("rollback")
    .description("go back to an old revision of a deployment's program; the number of replicas stays")
    .argument("<name>", "the deployment")
    .option(
      "--to <revision>",
      "the revision (default: the last healthy one other than the present)",
      readInteger(1, Number.MAX_SAFE_INTEGER),
    );
  waitOptions(command, "it runs")
    .addHelpText("after", examples("drover rollback sentiment", "drover rollback sentiment --to 3"))
    .action(
      act(async (session, name: string, flags: RollbackFlags) => {
        const { deployment } = await write(session, (requestId, options) =>
          session.controller().rollback({ name, revision: BigInt(flags.to ?? 0), requestId }, options),
        );
        if (!deployment) throw new CliError("the controller answered without a deployment");
        if (flags.wait) return waitUntilHealthy(session, [deployment], flags.timeout);
        session.print(`${name}  going back to revision ${deployment.status?.revision}`);
        return exitCodes.done;
      }),
    );
};
