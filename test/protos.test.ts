// The protos are for clients in any language: all of them compile with nothing but themselves, in a fresh clone and from the npm package,
// and a change that would break a client of the last release fails here. `npm run release-image` renews test/released/api.binpb, which
// the protos are held against; it is run at a release, and at no other time.
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { type DescriptorProto, type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packedProtos } from "./packed-protos.ts";
import { python, pythonTest } from "./sdk/python-harness.ts";

const root = resolve(import.meta.dirname, "..");
const released = join(root, "test/released/api.binpb");
const env = { ...process.env, PATH: `${join(root, "node_modules/.bin")}${delimiter}${process.env.PATH ?? ""}` };

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drover-protos-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(command: string, ...argv: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command, argv, { cwd: folder, env })).stdout;
}

/** What a command that must fail printed. */
async function complaints(command: string, ...argv: readonly string[]): Promise<string> {
  return run(command, ...argv).then(
    () => "",
    ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
  );
}

/** The files of `proto` that a clone has. */
async function clonedProtos(): Promise<string> {
  const { stdout } = await promisify(execFile)("git", ["ls-files", "proto"], { cwd: root });
  const at = await mkdtemp(join(folder, "cloned-"));
  for (const path of stdout.trim().split("\n")) {
    await mkdir(dirname(join(at, path)), { recursive: true });
    await cp(join(root, path), join(at, path));
  }
  return join(at, "proto");
}

async function compiled(image: string): Promise<readonly FileDescriptorProto[]> {
  return fromBinary(FileDescriptorSetSchema, await readFile(image)).file;
}

const places = { "a fresh clone": clonedProtos, "the npm package": () => packedProtos(folder) };

describe.each(Object.entries(places))("the protos of %s compile with nothing but themselves", (_, protos) => {
  test("by buf build", async () => {
    const at = await protos();
    await run("buf", "build", at, "-o", join(at, "image.binpb"));
    const packages = (await compiled(join(at, "image.binpb"))).map((file) => file.package);
    expect(packages).toEqual(expect.arrayContaining(["drover.v1", "drover.replica.v1", "externalscaler"]));
  });

  pythonTest("by protoc", async () => {
    const at = await protos();
    const paths = (await readdir(at, { recursive: true })).filter((path) => path.endsWith(".proto"));
    await run(python(), "-m", "grpc_tools.protoc", "-I", at, `--descriptor_set_out=${join(at, "set.binpb")}`, ...paths);
    expect(await compiled(join(at, "set.binpb"))).toHaveLength(paths.length);
  });
});

test("every proto of ours says its package in Go and in Java", async () => {
  const at = await clonedProtos();
  await run("buf", "build", at, "-o", join(at, "image.binpb"));
  const ours = (await compiled(join(at, "image.binpb"))).filter((file) => /^(?:drover|externalscaler)/.test(file.package));
  expect(ours.length).toBeGreaterThan(5);
  for (const { name, options } of ours) {
    expect(options?.goPackage, name).toMatch(/^github\.com\/drover-dev\/drover\/gen\/go\/[\w/]+;\w+$/);
    expect(options?.javaPackage, name).toMatch(/^dev\.drover\.[\w.]+$/);
    expect(options?.javaMultipleFiles, name).toBe(true);
  }
});

test("the printed validate.proto has every name and number that protovalidate has", async () => {
  const at = await clonedProtos();
  await run("buf", "build", at, "-o", join(at, "image.binpb"));
  const printed = (await compiled(join(at, "image.binpb"))).find((file) => file.package === "buf.validate");
  expect(structureOf(printed)).toEqual(structureOf(file_buf_validate_validate.proto));
});

function structureOf(file: FileDescriptorProto | undefined): unknown {
  const fields = ({ field, oneofDecl }: Pick<DescriptorProto, "field" | "oneofDecl">) =>
    field
      .map(({ name, number, type, typeName, label, ...rest }) => {
        const oneof = Object.hasOwn(rest, "oneofIndex") ? oneofDecl[rest.oneofIndex]?.name : undefined;
        return { name, number, type, typeName, label, oneof };
      })
      .toSorted((one, other) => one.number - other.number);
  const message = (type: DescriptorProto): unknown => ({
    ...{ name: type.name, fields: fields(type), nested: type.nestedType.map(message) },
    ranges: type.extensionRange.map(({ start, end }) => [start, end]),
  });
  return {
    messages: file?.messageType.map(message),
    enums: file?.enumType.map(({ name, value }) => [name, value.map((one) => [one.name, one.number])]),
    extensions: file && fields({ field: file.extension, oneofDecl: [] }),
  };
}

describe("against the last release", () => {
  test("the protos break no client", async () => {
    expect(await complaints("buf", "breaking", root, "--against", released)).toBe("");
  });

  test.each([
    ["a field removed", "drover/replica/v1/replica_service.proto", /^ {2}string replica_id = 1;\n/m, "FIELD_NO_DELETE", ""],
    ["a field of another type", "drover/v1/invoke_service.proto", /string method = 2;/, "FIELD_SAME_TYPE", "int32 method = 2;"],
    ["a method removed", "drover/v1/invoke_service.proto", /^ {2}rpc Invoke\(.*\n/m, "RPC_NO_DELETE", ""],
  ] as const)("%s would be told", async (_, path, what, rule, instead) => {
    const at = await mkdtemp(join(folder, "broken-"));
    await cp(join(root, "buf.yaml"), join(at, "buf.yaml"));
    await cp(await clonedProtos(), join(at, "proto"), { recursive: true });
    const text = await readFile(join(at, "proto", path), "utf8");
    expect(text).toMatch(what);
    await writeFile(join(at, "proto", path), text.replace(what, instead));
    const lines = (await complaints("buf", "breaking", at, "--against", released, "--error-format", "json")).trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual([rule]);
  });
});
