import { CliError, exitCodes } from "../cli-error.ts";
import { type AddCommand, examples, readInteger, type WaitFlags, waitOptions } from "../command.ts";
import { waitUntilHealthy } from "../wait.ts";
import { write } from "../write.ts";

const replicasMax = 10_000;

/** `drover scale`: sets the number of replicas. */
export const addScale: AddCommand = (program, act) => {
  const command = program
    .command("scale")
    .description("set the number of replicas and nothing else")
    .argument("<name>", "the deployment")
    .argument("<replicas>", "replicas wanted: 0 to 10,000", readInteger(0, replicasMax));
  waitOptions(command, "as many run")
    .addHelpText("after", examples("drover scale sentiment 4"))
    .action(
      act(async (session, name: string, numReplicas: number, flags: WaitFlags) => {
        const { deployment } = await write(session, (requestId, options) =>
          session.controller().scale({ name, numReplicas, requestId }, options),
        );
        if (!deployment) throw new CliError("the controller answered without a deployment");
        if (flags.wait) return waitUntilHealthy(session, [deployment], flags.timeout);
        session.print(`${name}  ${numReplicas} wanted`);
        return exitCodes.done;
      }),
    );
};
