import { type DeployResponse, Effect } from "../../../gen/drover/v1/controller_service_pb.ts";
import type { Deployment } from "../../../gen/drover/v1/deployment_pb.ts";
import { StatusError } from "../../core/errors.ts";
import { type AddCommand, examples, type WaitFlags, waitOptions } from "../command.ts";
import { CliError, exitCodes } from "../failure.ts";
import { fillVersion } from "../fill-version.ts";
import { nameOf, plain } from "../print.ts";
import type { Session } from "../session.ts";
import { type LoadedSpec, readSpecFiles } from "../spec-file.ts";
import { waitUntilHealthy } from "../wait.ts";

interface DeployFlags extends WaitFlags {
  readonly dryRun?: boolean;
  readonly redeploy?: boolean;
}

export const redeployHelp =
  "replace the replicas also when nothing has changed (by default a digest of the program's files is the version)";

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
      for (const answer of checked) printPlan(session, answer);
      return exitCodes.done;
    }
  }
  const deployed: Deployment[] = [];
  for (const one of loaded) {
    const { deployment } = await deployOne(session, one, false);
    if (deployment === undefined) throw new CliError("the controller answered without a deployment");
    deployed.push(deployment);
  }
  if (flags.wait) return waitUntilHealthy(session, deployed, flags.timeout);
  for (const { spec, status } of deployed) session.print(`${spec?.name}  deployed  generation ${status?.generation ?? 0n}`);
  return exitCodes.done;
}

const costs: Readonly<Record<number, string>> = {
  [Effect.NONE]: "nothing would change",
  [Effect.LIVE]: "it would change while its replicas go on",
  [Effect.ROLLOUT]: "its replicas would be replaced",
};

/** What a deploy would do, as a diff: each field with its value before and after. */
function printPlan(session: Session, { deployment, effect, changes }: DeployResponse): void {
  const name = deployment?.spec?.name ?? "";
  const isNew = deployment?.status?.generation === 1n && effect === Effect.ROLLOUT;
  session.print(isNew ? `${name}  new  it would be created` : `${name}  ${nameOf(Effect, effect)}  ${costs[effect] ?? ""}`);
  for (const { field, effect: cost, before, after } of changes) {
    session.print(`  ${field}  (${nameOf(Effect, cost)})`);
    if (before !== "") session.print(session.colors.red(`    - ${plain(before)}`));
    if (after !== "") session.print(session.colors.green(`    + ${plain(after)}`));
  }
}

/** Asks for each spec whether it would do, and reports all refusals together. */
async function checkAll(session: Session, loaded: readonly LoadedSpec[]): Promise<readonly DeployResponse[]> {
  const checked: DeployResponse[] = [];
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

async function deployOne(session: Session, { spec, file, lineOf }: LoadedSpec, validateOnly: boolean): Promise<DeployResponse> {
  try {
    return await session.controller().deploy({ spec, validateOnly }, session.brief);
  } catch (error) {
    const violations = error instanceof StatusError ? (error.facts.violations ?? []) : [];
    if (violations.length === 0) throw error;
    throw new CliError(violations.map(({ field, description }) => `${file}:${lineOf(field)}: ${field}: ${description}`));
  }
}
