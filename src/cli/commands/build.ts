import { relative } from "node:path";
import { toJson } from "@bufbuild/protobuf";
import { stringify } from "yaml";
import { type DeploymentSpec, DeploymentSpecSchema } from "../../../gen/drover/v1/deployment_pb.ts";
import type { JsonObject } from "../../core/json.ts";
import { exitCodes } from "../cli-error.ts";
import { type AddCommand, examples } from "../command.ts";
import { describeFile, readBuilderArgs, splitModule } from "../program-file.ts";

/** `drover build`: prints as YAML what `drover run` would deploy. */
export const addBuild: AddCommand = (program, act) => {
  program
    .command("build")
    .description("print what a module exports as YAML for `drover deploy`, with paths relative to this folder")
    .argument("<module[:export]>", "the file (.ts, .js, .py); an export, if it has several")
    .argument("[name=value...]", "arguments of the function that builds the application")
    .option("--app <name>", "the name of the application (by default that of its first deployment)")
    .addHelpText("after", examples("drover build app.py > app.yaml", "drover build app.ts:build size=3 > app.yaml"))
    .action(
      act(async (session, given: string, args: readonly string[], flags: { readonly app?: string }) => {
        const { io } = session;
        const found = await describeFile(splitModule(given, io.cwd), readBuilderArgs(args), io);
        if (found === undefined) return exitCodes.interrupted;
        const application = flags.app ?? found.application;
        const documents = found.deployments.map(({ spec }) => stringify(specOf(spec, application, io.cwd)).trimEnd());
        session.print(`# \`drover deploy\` of this file; its fields go before the options in the code.\n${documents.join("\n---\n")}`);
        return exitCodes.done;
      }),
    );
};

/** The spec as a file has it: its name first, and paths relative to `folder`. */
function specOf(spec: DeploymentSpec, application: string | undefined, folder: string): JsonObject {
  const kind = spec.program?.kind;
  const { workingDir = "" } = spec.runtimeEnv ?? {};
  if (kind?.case === "module" && spec.runtimeEnv !== undefined) {
    spec.runtimeEnv.workingDir = workingDir === "" ? "" : relative(folder, workingDir) || ".";
    kind.value.path = relative(workingDir || folder, kind.value.path);
  } else if (kind?.case === "module") kind.value.path = relative(folder, kind.value.path);
  const {
    name,
    program,
    runtime_env: environment,
    ...rest
  } = toJson(DeploymentSpecSchema, spec, { useProtoFieldName: true }) as JsonObject;
  const hasEnvironment = environment !== undefined && Object.keys(environment as JsonObject).length > 0;
  return {
    ...{ name: name ?? "", ...(application !== undefined && { application }), program: program ?? {} },
    ...(hasEnvironment && { runtime_env: environment }),
    ...rest,
  };
}
