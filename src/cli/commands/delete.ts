import type { CallOptions } from "../../rpc/service.ts";
import { CliError, exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, appOption, examples, type WaitFlags, waitOptions } from "../command.ts";
import { type DeleteTarget, deleteDeployments, targetsOf } from "../delete-deployments.ts";
import { callMs, type Session } from "../session.ts";
import { waitUntilGone } from "../wait.ts";
import { write } from "../write.ts";
import { allDeployments } from "./list.ts";

interface DeleteFlags extends WaitFlags {
  readonly app?: string;
  readonly all?: boolean;
  readonly allowMissing?: boolean;
}

/** `drover delete`: deletes deployments. */
export const addDelete: AddCommand = (program, act) => {
  const command = program
    .command("delete")
    .description("delete deployments; requests in work are finished first")
    .argument("[name...]", "the deployments")
    .addOption(appOption())
    .option("--all", "all deployments there are")
    .option("--allow-missing", "succeed also where there is none of that name");
  waitOptions(command, "they are gone")
    .addHelpText("after", examples("drover delete sentiment", "drover delete sentiment fr --no-wait", "drover delete --app shop"))
    .action(
      act(async (session, names: readonly string[], flags: DeleteFlags) => {
        const ways = [names.length > 0, flags.app !== undefined, flags.all === true].filter((given) => given);
        if (ways.length !== 1) throw usage("give the names of deployments, or --app NAME, or --all");
        const { app, wait, timeout } = flags;
        const targets = [...new Set(names)].map((name) => ({ name }));
        const { deleting, missing, failures } =
          app === undefined
            ? await deleteNamed(session, flags.all ? targetsOf(await allDeployments(session)) : targets, flags)
            : await deleteApplication(session, app, flags);
        for (const what of missing) session.print(`${what}  was not there`);
        if (wait && deleting.length > 0) await waitUntilGone(session, deleting, timeout);
        else for (const { name } of deleting) session.print(`${name}  deleting`);
        if (failures.length > 0) throw new CliError(failures);
        return exitCodes.done;
      }),
    );
};

interface Deleted {
  readonly deleting: readonly DeleteTarget[];
  readonly missing: readonly string[];
  readonly failures: readonly string[];
}

async function deleteNamed(session: Session, targets: readonly DeleteTarget[], flags: DeleteFlags): Promise<Deleted> {
  const allowMissing = flags.all === true || flags.allowMissing === true;
  const outcome = await deleteDeployments(session, targets, { allowMissing });
  return { ...outcome, deleting: targetsOf(outcome.deleting) };
}

/** Begins to delete all deployments of an application in one call. */
async function deleteApplication(session: Session, application: string, { allowMissing, timeout }: DeleteFlags): Promise<Deleted> {
  const known = targetsOf(await allDeployments(session, application, allowMissing));
  if (known.length === 0) return { deleting: [], missing: [application], failures: [] };
  const call = (requestId: string, options: CallOptions) => session.controller().apply({ application, prune: true, requestId }, options);
  const { pruned } = await write(session, call, Math.max(callMs, timeout));
  const names = new Set(known.map(({ name }) => name));
  const joined = pruned.filter((name) => !names.has(name)).map((name) => ({ name }));
  return { deleting: [...known, ...joined], missing: [], failures: [] };
}
