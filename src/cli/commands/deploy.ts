import type { Deployment } from "../../../gen/drover/v1/deployment_pb.ts";
import { StatusError } from "../../core/errors.ts";
import { type AddCommand, examples, type WaitFlags, waitOptions } from "../command.ts";
import { CliError, exitCodes } from "../failure.ts";
import { fillVersion } from "../fill-version.ts";
import type { Session } from "../session.ts";
import { type LoadedSpec, readSpecFiles } from "../spec-file.ts";
import { waitUntilHealthy } from "../wait.ts";

interface DeployFlags extends WaitFlags {
  readonly dryRun?: boolean;
  readonly redeploy?: boolean;
}

export const redeployHelp = "replace the replicas also when nothing has changed: leave an empty version empty";

/** `drover deploy`: makes deployments what files say. */
export const addDeploy: AddCommand = (program, act) => {
  const command = program
    .command("deploy")
    .description("deploy what YAML or JSON files of deployment specs say")
    .argument("<file...>", "files with one or several specs; - is standard input")
    .option("--dry-run", "check, say what would be, and change nothing")
    .option("--redeploy", redeployHelp);
  waitOptions(command, "all replicas run")
    .addHelpText("after", examples("drover deploy app.yaml", "drover deploy app.yaml --dry-run", "drover deploy app.yaml --timeout 10m"))
    .action(
      act(async (session, files: readonly string[], flags: DeployFlags) => {
        const loaded = await readSpecFiles(files, session.io);
        return deploySpecs(session, loaded, flags);
      }),
    );
};

/** Deploys all specs, or none if one of them is refused, and waits as the flags say. Gives the exit code. */
export async function deploySpecs(session: Session, loaded: readonly LoadedSpec[], flags: DeployFlags): Promise<number> {
  if (!flags.redeploy) for (const { spec } of loaded) fillVersion(spec);
  if (flags.dryRun || loaded.length > 1) {
    const checked = await checkAll(session, loaded);
    if (flags.dryRun) {
      for (const { spec, status } of checked)
        session.print(`${spec?.name}  valid  would be generation ${status?.generation ?? 0n}, revision ${status?.revision ?? 0n}`);
      return exitCodes.done;
    }
  }
  const deployed: Deployment[] = [];
  for (const one of loaded) deployed.push(await deployOne(session, one, false));
  if (flags.wait) return waitUntilHealthy(session, deployed, flags.timeout);
  for (const { spec, status } of deployed) session.print(`${spec?.name}  deployed  generation ${status?.generation ?? 0n}`);
  return exitCodes.done;
}

/** Asks for each spec whether it would do, and reports all refusals together. */
async function checkAll(session: Session, loaded: readonly LoadedSpec[]): Promise<readonly Deployment[]> {
  const checked: Deployment[] = [];
  const refusals: string[] = [];
  for (const one of loaded) {
    try {
      checked.push(await deployOne(session, one, true));
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      refusals.push(...error.lines);
    }
  }
  if (refusals.length > 0) throw new CliError(refusals);
  return checked;
}

async function deployOne(session: Session, { spec, file, lineOf }: LoadedSpec, validateOnly: boolean): Promise<Deployment> {
  try {
    const { deployment } = await session.controller().deploy({ spec, validateOnly }, session.brief);
    if (!deployment) throw new CliError("the controller answered without a deployment");
    return deployment;
  } catch (error) {
    const violations = error instanceof StatusError ? (error.facts.violations ?? []) : [];
    if (violations.length === 0) throw error;
    throw new CliError(violations.map(({ field, description }) => `${file}:${lineOf(field)}: ${field}: ${description}`));
  }
}
