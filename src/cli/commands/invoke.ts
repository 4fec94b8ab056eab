import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { Option } from "commander";
import type { InvokeRequest, InvokeResponse } from "../../../gen/drover/v1/invoke_service_pb.ts";
import { InvokeRequestSchema } from "../../../gen/drover/v1/invoke_service_pb.ts";
import { exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, examples, readDuration } from "../command.ts";
import { readInput, readJsonInput } from "../input.ts";
import type { Session } from "../session.ts";

interface InvokeFlags {
  readonly stream?: boolean;
  readonly bytes?: boolean;
  readonly output?: "json";
  /** Milliseconds. */
  readonly timeout: number;
}

/** `drover invoke`: calls a method of a deployment, through the gateway. */
export const addInvoke: AddCommand = (program, act) => {
  program
    .command("invoke")
    .description("call a method of a deployment through the gateway and print its result")
    .argument("<name>", "the deployment")
    .argument("[method]", "the method; a function deployment needs none")
    .argument("[input]", "JSON, @FILE, or - for standard input; none: null")
    .option("-s, --stream", "print each result of a method that returns several")
    .option("--bytes", "send the input as bytes instead of JSON")
    .addOption(new Option("-o, --output <format>", 'json: one line a result, bytes as {"bytes": base64}').choices(["json"]))
    .addOption(new Option("--timeout <time>", "the longest to wait for the result").argParser(readDuration).default(60_000, "60s"))
    .addHelpText(
      "after",
      examples(
        `drover invoke sentiment classify '{"text": "Lovely!"}'`,
        `drover invoke story tell '"a dragon"' --stream`,
        "drover invoke thumbnail make @cat.jpg --bytes > small.jpg",
      ),
    )
    .action(
      act(async (session, deployment: string, method: string | undefined, input: string | undefined, flags: InvokeFlags) => {
        const request = create(InvokeRequestSchema, { deployment, method: method ?? "", input: await inputOf(input, flags, session) });
        const options = { signal: session.io.interrupted, deadlineMs: flags.timeout };
        const { $typeName: _, ...fields } = request;
        if (flags.stream)
          for await (const { output } of session.gateway().invokeServerStream(fields, options)) printOutput(session, output, flags);
        else printOutput(session, (await session.gateway().invoke(fields, options)).output, flags);
        return exitCodes.done;
      }),
    );
};

async function inputOf(argument: string | undefined, flags: InvokeFlags, { io }: Session): Promise<InvokeRequest["input"]> {
  if (flags.bytes) {
    if (argument === undefined) throw usage("--bytes needs an input: the text itself, @FILE, or - for standard input");
    return { case: "bytes", value: await readInput(argument, io) };
  }
  if (argument === undefined) return { case: undefined };
  return { case: "json", value: fromJson(ValueSchema, (await readJsonInput(argument, io, "input")) as JsonValue) };
}

function printOutput(session: Session, output: InvokeResponse["output"], flags: InvokeFlags): void {
  const { stdout } = session.io;
  if (output.case === "bytes") {
    if (flags.output === "json") session.print(JSON.stringify({ bytes: Buffer.from(output.value).toString("base64") }));
    else stdout.write(output.value);
    return;
  }
  const json = output.case === "json" ? toJson(ValueSchema, output.value) : null;
  session.print(stdout.isTTY && flags.output !== "json" ? JSON.stringify(json, null, 2) : JSON.stringify(json));
}
