import { exitCodes } from "../cli-error.ts";
import { type AddCommand, examples } from "../command.ts";
import { write } from "../write.ts";

/** `drover pause`: stops a rollout where it is. */
export const addPause: AddCommand = (program, act) => {
  program
    .command("pause")
    .description("stop a rollout where it is, now or when the next one begins; replicas that are lost are replaced all the same")
    .argument("<name>", "the deployment")
    .addHelpText("after", examples("drover pause sentiment"))
    .action(
      act(async (session, name: string) => {
        await write(session, (requestId, options) => session.controller().pauseRollout({ name, requestId }, options));
        session.print(`${name}  paused`);
        return exitCodes.done;
      }),
    );
};
