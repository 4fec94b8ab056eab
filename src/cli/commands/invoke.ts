import { Option } from "commander";
import { modelHeader } from "../../core/metadata-keys.ts";
import type { MetadataValues } from "../../rpc/call-metadata.ts";
import { Media } from "../../rpc/media.ts";
import { type ArgumentFields, decodeResult, encodeArguments, type ResultFields } from "../../rpc/values.ts";
import { exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, collect, examples, readDuration } from "../command.ts";
import { readInput, readJsonInput } from "../input.ts";
import { printable } from "../printable.ts";
import type { Session } from "../session.ts";

interface InvokeFlags {
  readonly stream?: boolean;
  readonly bytes?: boolean;
  readonly output?: "json";
  /** Milliseconds. */
  readonly timeout: number;
  readonly metadata?: readonly string[];
  readonly model?: string;
}

/** `drover invoke`: calls a method of a deployment, through the gateway. */
export const addInvoke: AddCommand = (program, act) => {
  program
    .command("invoke")
    .description("call a method of a deployment through the gateway and print its result")
    .argument("<name>", "the deployment")
    .argument("[method]", "the method; a function deployment needs none")
    .argument("[arguments...]", "JSON, @FILE, or - for standard input, by position or as NAME=JSON; none: null")
    .option("-s, --stream", "print each result of a method that returns several")
    .option("--bytes", "send the only argument as bytes instead of JSON")
    .addOption(new Option("-o, --output <format>", 'json: one line a result, bytes as {"bytes": base64}').choices(["json"]))
    .addOption(new Option("--timeout <time>", "the longest to wait for the result").argParser(readDuration).default(60_000, "60s"))
    .option("--metadata <name=value>", "metadata to send; a name that ends in -bin has base64; may be repeated", collect)
    .option("--model <name>", "the model that the request needs, of a program that loads several")
    .addHelpText(
      "after",
      examples(
        `drover invoke sentiment classify '{"text": "Lovely!"}'`,
        `drover invoke story tell '"a dragon"' --stream`,
        `drover invoke translator translate '"hello"' language='"fr"'`,
        "drover invoke thumbnail make @cat.jpg --bytes > small.jpg",
        `drover invoke greeter greet '"Ada"' --model fr --metadata x-user=7`,
      ),
    )
    .action(
      act(async (session, deployment: string, method: string | undefined, given: readonly string[], flags: InvokeFlags) => {
        if (method !== undefined && !methodName.test(method)) {
          throw usage(`"${method}" is no name of a method`, `name it before its arguments: drover invoke ${deployment} METHOD '${method}'`);
        }
        const request = { deployment, method: method ?? "", ...(await argumentsOf(given, flags, session)) };
        const options = { signal: session.io.interrupted, deadlineMs: flags.timeout, metadata: readMetadata(flags) };
        if (flags.stream) {
          for await (const response of session.gateway().invokeServerStream(request, options)) printResult(session, response, flags);
        } else printResult(session, await session.gateway().invoke(request, options), flags);
        return exitCodes.done;
      }),
    );
};

/** What may be a method, of a program in any language. */
const methodName = /^[\p{ID_Continue}$./-]+$/u;

function readMetadata({ metadata = [], model }: InvokeFlags): Readonly<Record<string, MetadataValues>> {
  const values = new Map<string, (string | Uint8Array)[]>(model === undefined ? [] : [[modelHeader, [model]]]);
  for (const given of metadata) {
    const at = given.indexOf("=");
    if (at < 1) throw usage(`--metadata "${given}": must be NAME=VALUE`);
    const [name, text] = [given.slice(0, at).toLowerCase(), given.slice(at + 1)];
    if (name === modelHeader && model !== undefined) throw usage(`--metadata ${name}: --model says it already`);
    values.set(name, [...(values.get(name) ?? []), name.endsWith("-bin") ? Buffer.from(text, "base64") : text]);
  }
  return Object.fromEntries(values);
}

async function argumentsOf(given: readonly string[], flags: InvokeFlags, { io }: Session): Promise<ArgumentFields> {
  const [first] = given;
  if (flags.bytes) {
    if (first === undefined || given.length > 1) throw usage("--bytes needs one argument: the text itself, @FILE, or - for standard input");
    return encodeArguments({ positional: [await readInput(first, io)], named: {} });
  }
  const positional: unknown[] = [];
  const named: Record<string, unknown> = {};
  let readsInput = false;
  for (const argument of given) {
    const [, name, json = argument] = /^([\p{ID_Start}$_][\p{ID_Continue}$]*)=(.*)$/su.exec(argument) ?? [];
    if (name !== undefined && Object.hasOwn(named, name)) throw usage(`${name}: given twice`);
    if (json === "-" && readsInput) throw usage("standard input can be only one argument: - is given twice");
    readsInput ||= json === "-";
    const value = await readJsonInput(json, io, name ?? "input");
    if (name === undefined) positional.push(value);
    else Object.defineProperty(named, name, { value, enumerable: true });
  }
  return encodeArguments({ positional, named });
}

function printResult(session: Session, response: ResultFields, flags: InvokeFlags): void {
  const { stdout } = session.io;
  const result = decodeResult(response);
  const bytes = result instanceof Media ? result.data : result;
  if (bytes instanceof Uint8Array && flags.output !== "json") stdout.write(bytes);
  else session.print(JSON.stringify(printable(result), null, stdout.isTTY && flags.output !== "json" ? 2 : undefined));
}
