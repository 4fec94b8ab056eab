// Goal: foreign clients find their way by reflection and health alone. `buf curl` is one; our own
// reader another.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { HealthService } from "../../src/rpc/health.ts";
import { type DescriptorSource, descriptorsOf, mergeSources, readDescriptors, reflection } from "../../src/rpc/reflection.ts";
import { WireService } from "./gen/test/v1/wire_pb.ts";
import { collect, each, rejection, serve, type WireOptions } from "./harness.ts";
import { wireService } from "./wire-service.ts";

const source = mergeSources(descriptorsOf([WireService, ControllerService]), descriptorsOf([Health]));
const never = new AbortController().signal;

const start = (options: WireOptions = {}) =>
  serve([wireService().implementation, new HealthService().implementation, ...reflection(source)], options);

describe("buf curl", () => {
  const buf = async (...args: string[]) =>
    (await promisify(execFile)("node_modules/.bin/buf", ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args])).stdout;

  test("lists the services, calls one by reflection, and asks for health", async () => {
    const wire = await start({ transport: "tcp" });
    await using _ = wire;
    const url = `http://${wire.address}`;
    expect((await buf("--list-services", url)).trim().split("\n").sort()).toEqual([
      "drover.v1.ControllerService",
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "test.v1.WireService",
    ]);
    expect(JSON.parse(await buf("-d", '{"text":"hello"}', `${url}/test.v1.WireService/Unary`))).toEqual({ text: "hello" });
    const stream = await buf(
      "-d",
      '{"text":"hello","count":2}',
      "--reflect-protocol",
      "grpc-v1alpha",
      `${url}/test.v1.WireService/ServerStream`,
    );
    expect(stream.match(/"hello"/g)?.length).toBe(2);
    expect(JSON.parse(await buf("-d", "{}", `${url}/grpc.health.v1.Health/Check`))).toEqual({ status: "SERVING" });
    const failure = (await rejection(buf("-d", '{"text":"fail"}', `${url}/test.v1.WireService/Unary`))) as { stderr: string };
    expect(JSON.parse(failure.stderr)).toMatchObject({ code: "resource_exhausted" });
    expect(failure.stderr).toContain("google.rpc.ErrorInfo");
  });
});

describe("reading a server's descriptors", () => {
  test("returns every service with its file and all imports, enough to build a registry", async () => {
    const wire = await start();
    await using _ = wire;
    const read = await readDescriptors(wire.channel, never);
    expect(await read.services()).toContain("test.v1.WireService");
    const files = await closure(read, "drover.v1.ControllerService");
    expect(files.map(({ name }) => name)).toContain("buf/validate/validate.proto");
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: files }));
    expect(registry.getService("drover.v1.ControllerService")?.method.deploy?.input.typeName).toBe("drover.v1.DeployRequest");
    expect(await read.fileBySymbol("drover.v1.DeploymentSpec")).toEqual(await source.fileBySymbol("drover.v1.DeploymentSpec"));
    expect(await read.fileBySymbol("test.v1.Nothing")).toBeUndefined();
  });

  test("falls back to v1alpha", async () => {
    const wire = await serve([...reflection(source)].filter(({ service }) => service.typeName.includes("v1alpha")));
    await using _ = wire;
    expect(await (await readDescriptors(wire.channel, never)).services()).toContain("test.v1.WireService");
  });

  test("fails with UNIMPLEMENTED where there is no reflection", async () => {
    const wire = await serve([]);
    await using _ = wire;
    expect(await rejection(readDescriptors(wire.channel, never))).toMatchObject({ code: "UNIMPLEMENTED" });
  });

  test("asks for imports that a server leaves out", async () => {
    const wire = await start();
    await using _ = wire;
    const files = new Map((await closure(source, "drover.v1.ControllerService")).map((file) => [file.name, file]));
    // A server that answers with the one file asked for, as the protocol allows.
    const frugal: DescriptorSource = {
      services: () => ["drover.v1.ControllerService"],
      fileBySymbol: (symbol) => source.fileBySymbol(symbol),
      fileByName: (name) => source.fileByName(name),
    };
    const [implementation] = reflection(frugal);
    const handlers = implementation?.handlers as Record<string, (...args: unknown[]) => AsyncIterable<never>>;
    const second = await serve([
      {
        service: ServerReflection,
        handlers: {
          async *serverReflectionInfo(requests, context) {
            for await (const response of handlers.serverReflectionInfo?.(requests, context) ?? []) {
              const { messageResponse } = response as { messageResponse: { case: string; value: { fileDescriptorProto?: Uint8Array[] } } };
              messageResponse.value.fileDescriptorProto?.splice(1);
              yield response;
            }
          },
        },
      },
    ]);
    await using __ = second;
    const read = await readDescriptors(second.channel, never);
    for (const name of files.keys()) expect(await read.fileByName(name), name).toBeDefined();
  });

  test("ends when the signal aborts", async () => {
    const wire = await start();
    await using _ = wire;
    expect(await rejection(readDescriptors(wire.channel, AbortSignal.abort()))).toMatchObject({ code: "CANCELLED" });
  });
});

describe.each([ServerReflection, ServerReflectionAlpha as unknown as typeof ServerReflection])("$typeName", (service) => {
  test("says NOT_FOUND in its answers, and goes on with the stream", async () => {
    const wire = await start();
    await using _ = wire;
    const answers = await collect(
      wire.channel
        .client(service)
        .serverReflectionInfo(
          each(
            { messageRequest: { case: "fileContainingSymbol", value: "test.v1.Nothing" } as const },
            { messageRequest: { case: "fileByFilename", value: "nothing.proto" } as const },
            { messageRequest: { case: "fileContainingExtension", value: { containingType: "a.B", extensionNumber: 7 } } as const },
            { messageRequest: { case: "allExtensionNumbersOfType", value: "a.B" } as const },
            {},
            { host: "h", messageRequest: { case: "fileContainingSymbol", value: "test.v1.WireService.Unary" } as const },
          ),
        ),
    );
    const codes = answers.map(({ messageResponse: { case: kind, value } }) => (kind === "errorResponse" ? value.errorCode : kind));
    expect(codes).toEqual([5, 5, 5, 5, 3, "fileDescriptorResponse"]);
    expect(answers[5]).toMatchObject({ validHost: "h", originalRequest: { host: "h" } });
  });
});

test("merged sources list each service once, and the first that knows a name answers", async () => {
  const merged = mergeSources(descriptorsOf([WireService]), descriptorsOf([WireService, Health]));
  expect(await merged.services()).toEqual(["test.v1.WireService", "grpc.health.v1.Health"]);
  expect(await merged.fileByName("nothing.proto")).toBeUndefined();
  expect(await mergeSources().services()).toEqual([]);
});

/** All that the file of `symbol` imports, then the file. */
async function closure(from: DescriptorSource, symbol: string): Promise<FileDescriptorProto[]> {
  const files: FileDescriptorProto[] = [];
  const add = async (bytes: Uint8Array | undefined) => {
    const file = fromBinary(FileDescriptorProtoSchema, bytes as Uint8Array);
    if (files.some(({ name }) => name === file.name)) return;
    for (const name of file.dependency) await add(await from.fileByName(name));
    files.push(file);
  };
  await add(await from.fileBySymbol(symbol));
  return files;
}
