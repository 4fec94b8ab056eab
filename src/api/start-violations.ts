import type { DeploymentSpec } from "../../gen/drover/v1/deployment_pb.ts";
import type { FieldViolation } from "../core/errors.ts";
import { listenBytesMax, startBytesMax, startTextBytesMax } from "../core/start-bounds.ts";

/** A text that a process is started with. */
interface StartText {
  /** Its field in the spec. */
  readonly field: string;
  readonly text: string;
  /** Its bytes, as the system counts them. */
  readonly bytes: number;
}

/** Texts with which no process can be started. */
export function startViolations(spec: DeploymentSpec, root: string): readonly FieldViolation[] {
  const kind = spec.program?.kind;
  const texts = [...programTexts(spec), ...environmentTexts(spec)];
  const paths = [...texts, { field: "runtime_env.working_dir", text: spec.runtimeEnv?.workingDir ?? "" }];
  const bytes = texts.reduce((sum, text) => sum + text.bytes, 0);
  return [
    ...(kind?.case === "command" && kind.value.argv[0] === ""
      ? [{ field: `${root}.program.command.argv[0]`, description: "must name a program (got an empty text)" }]
      : []),
    ...paths.flatMap(({ field, text }) =>
      text.includes("\0") ? [{ field: `${root}.${field}`, description: "must not have a NUL character" }] : [],
    ),
    ...texts.flatMap((text) =>
      text.bytes > startTextBytesMax
        ? [{ field: `${root}.${text.field}`, description: `must be at most ${startTextBytesMax} bytes (got ${text.bytes})` }]
        : [],
    ),
    ...(bytes > startBytesMax
      ? [{ field: root, description: `program, init_args and env_vars must be at most ${startBytesMax} bytes together (got ${bytes})` }]
      : []),
  ];
}

function programTexts({ program }: DeploymentSpec): readonly StartText[] {
  const kind = program?.kind;
  if (kind?.case === "module") {
    return [startText("program.module.path", kind.value.path), startText("program.module.export_name", kind.value.exportName)];
  }
  const argv = kind?.case === "command" ? kind.value.argv : [];
  return argv.map((text, index) => {
    const addresses = text.split("{listen}").length - 1;
    return startText(`program.command.argv[${index}]`, text, addresses * listenBytesMax);
  });
}

function environmentTexts({ runtimeEnv, initArgs }: DeploymentSpec): readonly StartText[] {
  const variables = Object.entries(runtimeEnv?.envVars ?? {});
  return [
    startText("init_args", JSON.stringify(initArgs ?? {})),
    ...variables.map(([name, text]) => startText(`runtime_env.env_vars[${JSON.stringify(name)}]`, text, Buffer.byteLength(name) + 1)),
  ];
}

function startText(field: string, text: string, moreBytes = 0): StartText {
  return { field, text, bytes: Buffer.byteLength(text) + moreBytes };
}
