import type { Command } from "commander";
import { type ApplyResponse, ApplyResponseSchema, Effect } from "../../../gen/drover/v1/controller_service_pb.ts";
import type { DeploymentSpec } from "../../../gen/drover/v1/deployment_pb.ts";
import { fillWithoutBundle } from "../../bundle/fill-without-bundle.ts";
import { type FieldViolation, refusal, StatusError } from "../../core/errors.ts";
import { nameOf } from "../../rpc/enum-name.ts";
import type { CallOptions } from "../../rpc/service.ts";
import { attach } from "../attach.ts";
import { type BundleFlags, bundleSpecs } from "../bundle-specs.ts";
import { CliError, exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption, type WaitFlags, waitOptions } from "../command.ts";
import { withOptionsInCode } from "../options-in-code.ts";
import { printRefusedOutcomes } from "../outcomes.ts";
import { plain } from "../plain-text.ts";
import { messageJson, printJson } from "../print.ts";
import { callMs, type Session } from "../session.ts";
import { type LoadedSpec, placeIn, readSpecFiles } from "../spec-file.ts";
import { waitUntilHealthy } from "../wait.ts";
import { write } from "../write.ts";

export interface DeployFlags extends WaitFlags, BundleFlags {
  readonly dryRun?: boolean;
  readonly redeploy?: boolean;
  readonly prune?: boolean;
  /** The application that all specs are. Undefined: each spec says its own. */
  readonly app?: string;
  /** Print what the replicas print until Ctrl-C, and then delete the deployments. */
  readonly attach?: boolean;
  readonly output: Format;
}

const redeployHelp = "replace the replicas also when nothing has changed";

/** The options of commands that deploy, for `deploySpecs`. */
export function deployOptions(command: Command): Command {
  command
    .option("--dry-run", "check, show what would change, and change nothing")
    .option("--redeploy", redeployHelp)
    .option(
      "--bundle <folder>",
      "the folder that is sent with the program (by default the nearest with package.json, pyproject.toml or requirements.txt)",
    )
    .option("--no-bundle", "send no files: the paths are of the controller's machine")
    .option("--no-lockfile", "do not install the packages of the program's lockfile")
    .option("--app <name>", "the application that they are; --prune deletes only what belongs to it")
    .addOption(outputOption("text"));
  return waitOptions(command, "all replicas run");
}

/** `drover deploy`: deploys the specs in files. */
export const addDeploy: AddCommand = (program, act) => {
  const command = program
    .command("deploy")
    .description("deploy the deployment specs in YAML or JSON files: all of them, or none")
    .argument("<file...>", "files with one or several specs, or what drover get prints; - is standard input")
    .option("--prune", "delete every deployment that the files do not name, or every one of their application");
  deployOptions(command)
    .addHelpText(
      "after",
      examples("drover deploy app.yaml", "drover deploy app.yaml --dry-run", "drover deploy *.yaml --prune --timeout 10m"),
    )
    .action(
      act(async (session, files: readonly string[], flags: DeployFlags) => {
        const loaded = await withOptionsInCode(await readSpecFiles(files, session.io), session.io);
        return loaded === undefined ? exitCodes.interrupted : deploySpecs(session, loaded, flags);
      }),
    );
};

/**
 * Deploys all specs, or none if one of them is refused, and waits as the flags say. Returns the
 * exit code.
 */
export async function deploySpecs(session: Session, loaded: readonly LoadedSpec[], flags: DeployFlags): Promise<number> {
  if (flags.attach && flags.dryRun) throw usage("--attach: a dry run has nothing to attach to");
  if (flags.output === "json" && !flags.dryRun) throw usage("-o json needs --dry-run: it shows what would change");
  if (flags.bundle === false)
    for (const { spec, programFiles, whole } of loaded) if (!whole && !spec.runtimeEnv?.bundle) fillWithoutBundle(spec, programFiles);
  if (flags.bundle !== false) await bundleSpecs(session, loaded, { ...flags, quiet: flags.output === "json" });
  const answer = await applySpecs(session, loaded, flags);
  if (flags.dryRun) {
    if (flags.output === "json") printJson(session, messageJson(ApplyResponseSchema, answer));
    else printPlan(session, answer);
    return exitCodes.done;
  }
  const { pruned } = answer;
  const deployed = answer.results.flatMap(({ deployment }) => deployment ?? []);
  if (deployed.length < loaded.length) throw new CliError("the controller answered without a deployment");
  if (flags.attach) return attach(session, deployed, flags, pruned);
  if (flags.wait) return waitUntilHealthy(session, deployed, flags.timeout, pruned);
  for (const { spec, status } of deployed) session.print(`${spec?.name}  deployed  generation ${status?.generation ?? 0n}`);
  for (const name of pruned) session.print(`${name}  deleting`);
  return exitCodes.done;
}

/**
 * Deploys all specs, whose bundles are sent, or none. Fails with an error that names their places.
 */
export async function applySpecs(session: Session, loaded: readonly LoadedSpec[], flags: DeployFlags): Promise<ApplyResponse> {
  const { prune = false, dryRun = false } = flags;
  const specs = loaded.map(({ spec }) => spec);
  const { redeploy = false } = flags;
  const request = { specs, prune, redeploy, application: flags.app ?? applicationOf(specs), validateOnly: dryRun };
  try {
    // Where only a config changes, the call is answered once the replicas serve by it.
    const call = (requestId: string, options: CallOptions) => session.controller().apply({ ...request, requestId }, options);
    return await write(session, call, Math.max(callMs, flags.timeout));
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    const { message, reason, facts } = error;
    const violations = (facts.violations ?? []).map((violation) => inFile(loaded, violation, facts.metadata?.deployment));
    if (reason === "RECONFIGURE_REFUSED") {
      if (flags.output !== "json") printRefusedOutcomes(session, error);
      throw refusal(reason, message, { ...facts, violations });
    }
    if (violations.length === 0) throw error;
    throw new CliError(violations.map(({ field, description }) => (field === "" ? description : `${field}: ${description}`)));
  }
}

/** The application that all specs name; empty: they name none, or several. */
function applicationOf(specs: readonly DeploymentSpec[]): string {
  const [first = "", ...others] = new Set(specs.map(({ application }) => application));
  return others.length === 0 ? first : "";
}

/**
 * A violation with its place in a file, `app.yaml:3: spec.name`, for the controller's
 * `specs[0].name` or a program's `user_config`.
 */
function inFile(loaded: readonly LoadedSpec[], { field, description }: FieldViolation, deployment: string | undefined): FieldViolation {
  const [, index, inSpec = ""] = /^specs\[(\d+)\](.*)$/s.exec(field) ?? [];
  const ofProgram = /^user_config\b/.test(field);
  const one = ofProgram ? loaded.find(({ spec }) => spec.name === deployment) : index === undefined ? undefined : loaded[Number(index)];
  if (one === undefined) return { field, description };
  const path = ofProgram ? `spec.${field}` : `spec${inSpec}`;
  return { field: `${placeIn(one.file, one.lineOf(path))}: ${path}`, description };
}

const costs: Readonly<Record<number, string>> = {
  [Effect.NONE]: "nothing would change",
  [Effect.LIVE]: "it would change while its replicas go on",
  [Effect.RECONFIGURE]: "its running replicas would take it; none is restarted",
  [Effect.ROLLOUT]: "its replicas would be replaced",
};

/** What a deploy would do, as a diff: each field with its value before and after. */
function printPlan(session: Session, { results, pruned }: ApplyResponse): void {
  for (const { deployment, effect, changes } of results) {
    const name = deployment?.spec?.name ?? "";
    const isNew = deployment?.status?.generation === 1n && effect === Effect.ROLLOUT;
    session.print(isNew ? `${name}  new  it would be created` : `${name}  ${nameOf(Effect, effect)}  ${costs[effect] ?? ""}`);
    for (const { field, effect: cost, before, after } of changes) {
      session.print(`  ${field}  (${nameOf(Effect, cost)})`);
      if (before !== "") session.print(session.colors.red(`    - ${plain(before)}`));
      if (after !== "") session.print(session.colors.green(`    + ${plain(after)}`));
    }
  }
  for (const name of pruned) session.print(`${name}  ${session.colors.red("prune")}  it would be deleted`);
}
