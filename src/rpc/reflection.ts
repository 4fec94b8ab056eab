import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  type ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { StatusError } from "../core/errors.ts";
import type { Channel } from "./channel.ts";
import { type DescriptorSource, descriptorsIn, descriptorsOf, importsOf, mergeSources, nameOf } from "./descriptors.ts";
import { type Client, type Implementation, implement, type ServiceHandlers } from "./service.ts";
import { codeNumber } from "./status.ts";

export { type DescriptorSource, descriptorsOf, mergeSources } from "./descriptors.ts";

/** The most services and files read from one server; the rest is left out. */
const servicesMax = 1000;
const filesMax = 2000;

type ReflectionAnswer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/** Server reflection, v1 and v1alpha, of `source` and of itself. */
export function reflection(source: DescriptorSource): readonly Implementation[] {
  const all = mergeSources(source, descriptorsOf([ServerReflection, ServerReflectionAlpha]));
  const handlers: ServiceHandlers<typeof ServerReflection> = {
    async *serverReflectionInfo(requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: await answer(all, request) };
      }
    },
  };
  // The two versions differ in nothing but their package.
  return [
    implement(ServerReflection, handlers),
    implement(ServerReflectionAlpha, handlers as unknown as ServiceHandlers<typeof ServerReflectionAlpha>),
  ];
}

async function answer(
  source: DescriptorSource,
  { messageRequest: { case: kind, value } }: ServerReflectionRequest,
): Promise<ReflectionAnswer> {
  try {
    switch (kind) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: (await source.services()).map((name) => ({ name })) } };
      case "fileByFilename":
        return await fileAnswer(source, await source.fileByName(value), value);
      case "fileContainingSymbol":
        return await fileAnswer(source, await source.fileBySymbol(value), value);
      case "fileContainingExtension":
        return failure("NOT_FOUND", `no extension ${value.extensionNumber} of ${value.containingType}`);
      case "allExtensionNumbersOfType":
        return failure("NOT_FOUND", `no extensions of ${value}`);
      default:
        return failure("INVALID_ARGUMENT", "the request asks for nothing");
    }
  } catch (error) {
    if (error instanceof StatusError) return failure(error.code, error.message);
    throw error;
  }
}

function failure(code: StatusError["code"], errorMessage: string): ReflectionAnswer {
  return { case: "errorResponse", value: { errorCode: codeNumber[code], errorMessage } };
}

/** The wanted file comes first, as clients expect, then all its imports. */
async function fileAnswer(source: DescriptorSource, file: Uint8Array | undefined, wanted: string): Promise<ReflectionAnswer> {
  if (file === undefined) return failure("NOT_FOUND", `${wanted} is not known here`);
  const files = [file];
  const seen = new Set([nameOf(file)]);
  for (const next of files) {
    for (const name of importsOf(next)) {
      if (seen.has(name)) continue;
      seen.add(name);
      const imported = await source.fileByName(name);
      if (imported !== undefined) files.push(imported);
    }
  }
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: files } };
}

/**
 * Reads a server's services and their files, imports included, by reflection: v1, then v1alpha.
 * Fails with UNIMPLEMENTED where the server has neither. A service whose file the server does not
 * have is listed without a file.
 */
export async function readDescriptors(channel: Channel, signal: AbortSignal): Promise<DescriptorSource> {
  try {
    return await read(channel.client(ServerReflection), signal);
  } catch (error) {
    if (!(error instanceof StatusError && error.code === "UNIMPLEMENTED")) throw error;
    return await read(channel.client(ServerReflectionAlpha) as unknown as Client<typeof ServerReflection>, signal);
  }
}

type ReflectionQuestion = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

async function read(client: Client<typeof ServerReflection>, signal: AbortSignal): Promise<DescriptorSource> {
  const files = new Map<string, Uint8Array>();
  const ask = async (questions: readonly ReflectionQuestion[]) => {
    const answers: ServerReflectionResponse["messageResponse"][] = [];
    for await (const { messageResponse } of client.serverReflectionInfo(requestsFor(questions), { signal })) {
      if (messageResponse.case === "fileDescriptorResponse") {
        for (const file of messageResponse.value.fileDescriptorProto) if (files.size < filesMax) files.set(nameOf(file), file);
      }
      answers.push(messageResponse);
    }
    return answers;
  };

  const [list] = await ask([{ case: "listServices", value: "" }]);
  if (list?.case === "errorResponse") throw new StatusError("UNKNOWN", `reflection: ${list.value.errorMessage}`);
  const services = list?.case === "listServicesResponse" ? list.value.service.map(({ name }) => name).slice(0, servicesMax) : [];
  await ask(services.map((value) => ({ case: "fileContainingSymbol", value })));

  // A server may leave out imports; each of them is requested once.
  const asked = new Set(files.keys());
  for (;;) {
    const missing = [...new Set([...files.values()].flatMap(importsOf))].filter((name) => !files.has(name) && !asked.has(name));
    if (missing.length === 0) break;
    for (const name of missing) asked.add(name);
    await ask(missing.map((value) => ({ case: "fileByFilename", value })));
  }
  return descriptorsIn(services, [...files.values()]);
}

async function* requestsFor(questions: readonly ReflectionQuestion[]) {
  for (const messageRequest of questions) yield { messageRequest };
}
