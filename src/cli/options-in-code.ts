import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { create, type DescMessage, fromJson, toJson } from "@bufbuild/protobuf";
import { type DeploymentSpec, DeploymentSpecSchema, RuntimeEnvSchema } from "../../gen/drover/v1/deployment_pb.ts";
import type { JsonObject } from "../core/json.ts";
import { CliError } from "./cli-error.ts";
import type { CliIo } from "./io.ts";
import { describeFile, type ProgramFile, type ProgramPlace } from "./program-file.ts";
import { type LoadedSpec, placeIn } from "./spec-file.ts";

/**
 * The specs of files over the options in the code of their programs, field by field; undefined:
 * interrupted. What a controller printed is whole, and stays as it is. A program that cannot be
 * imported here is deployed with the file alone, and a line on standard error says so. A program
 * that is not on this machine is not searched for.
 */
export async function withOptionsInCode(loaded: readonly LoadedSpec[], io: CliIo): Promise<readonly LoadedSpec[] | undefined> {
  const described = new Map<string, Promise<ProgramFile | undefined>>();
  const describe = (place: ProgramPlace) => {
    const key = `${place.file}\0${place.exportName}`;
    const known = described.get(key) ?? describeFile(place, undefined, io);
    described.set(key, known);
    return known;
  };
  const whole: LoadedSpec[] = [];
  for (const one of loaded) {
    const place = placeOf(one.spec);
    if (place === undefined || one.given === undefined || !existsSync(place.file)) {
      whole.push(one);
      continue;
    }
    try {
      const found = await describe(place);
      if (found === undefined) return undefined;
      whole.push(overCode(one, found));
    } catch (cause) {
      if (!(cause instanceof CliError)) throw cause;
      const why = `${placeIn(one.file, one.lineOf("spec.program"))}: the options in the code do not count, only those of this file`;
      io.stderr.write(`${[why, ...cause.lines.map((line) => `  ${line}`)].join("\n")}\n`);
      whole.push(one);
    }
  }
  return whole;
}

/** Where the program of an SDK is; undefined: it is no program of an SDK, or is in a bundle. */
function placeOf({ program, runtimeEnv }: DeploymentSpec): ProgramPlace | undefined {
  if (runtimeEnv?.bundle) return undefined;
  const kind = program?.kind;
  if (kind?.case === "module") return { file: kind.value.path, exportName: kind.value.exportName };
  const [python, flag, host, file, exportName = ""] = kind?.case === "command" ? kind.value.argv : [];
  if (python !== "python3" || flag !== "-m" || host !== "drover.replica" || file === undefined) return undefined;
  return { file: resolve(runtimeEnv?.workingDir ?? "", file), exportName };
}

function overCode(loaded: LoadedSpec, { application, deployments, programFiles }: ProgramFile): LoadedSpec {
  const [code] = deployments;
  if (application !== undefined || code === undefined) {
    const names = deployments.map(({ spec }) => spec.name).join(", ");
    throw new CliError(`it has an application of ${names}: \`drover build\` writes a spec for each`);
  }
  const { program: _, ...given } = loaded.given ?? {};
  const { program: _inCode, ...inCode } = toJson(DeploymentSpecSchema, code.spec, { useProtoFieldName: true }) as JsonObject;
  const spec = fromJson(DeploymentSpecSchema, overlay(inCode, given, DeploymentSpecSchema) as never);
  const own = loaded.spec;
  spec.program = own.program;
  const folder = own.program?.kind.case === "module" && !hasFolder(given) ? code.spec.runtimeEnv?.workingDir : own.runtimeEnv?.workingDir;
  if (folder) spec.runtimeEnv = Object.assign(spec.runtimeEnv ?? create(RuntimeEnvSchema), { workingDir: folder });
  return { ...loaded, spec, programFiles };
}

function hasFolder({ runtime_env: environment }: JsonObject): boolean {
  return typeof environment === "object" && environment !== null && "working_dir" in environment && environment.working_dir !== "";
}

/**
 * The fields of `given`, and those of `code` that it does not set. Messages and maps are joined;
 * lists, and JSON such as `user_config`, are taken as a whole.
 */
function overlay(code: JsonObject, given: JsonObject, schema: DescMessage): JsonObject {
  const whole: Record<string, JsonObject[string]> = { ...code };
  for (const [name, value] of Object.entries(given)) {
    const field = schema.fields.find((one) => one.name === name);
    const before = code[name];
    const join = isObject(before) && isObject(value);
    if (field?.fieldKind === "map" && join) whole[name] = { ...before, ...value };
    else if (field?.message && field.fieldKind === "message" && join && !field.message.typeName.startsWith("google.protobuf."))
      whole[name] = overlay(before, value, field.message);
    else whole[name] = value;
  }
  // The two exclude each other.
  if ("num_replicas" in given) delete whole.autoscaling_config;
  if ("autoscaling_config" in given) delete whole.num_replicas;
  return whole;
}

function isObject(json: unknown): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
