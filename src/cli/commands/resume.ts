import { CliError, exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, type WaitFlags, waitOptions } from "../command.ts";
import { waitUntilHealthy } from "../wait.ts";
import { write } from "../write.ts";

/** `drover resume`: lets a paused rollout go on. */
export const addResume: AddCommand = (program, act) => {
  const command = program.command("resume").description("let a paused rollout go on").argument("<name>", "the deployment");
  waitOptions(command, "all replicas run")
    .addHelpText("after", examples("drover resume sentiment", "drover resume sentiment --no-wait"))
    .action(
      act(async (session, name: string, flags: WaitFlags) => {
        const { deployment } = await write(session, (requestId, options) =>
          session.controller().resumeRollout({ name, requestId }, options),
        );
        if (!deployment) throw new CliError("the controller answered without a deployment");
        if (flags.wait) return waitUntilHealthy(session, [deployment], flags.timeout);
        session.print(`${name}  resumed`);
        return exitCodes.done;
      }),
    );
};
