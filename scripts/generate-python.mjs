// Writes sdk/python/drover/_gen from proto/, without the validation rules, so that the SDK does not
// need their runtime; and from ControllerService the clients of the SDK with their types.
//   node scripts/generate-python.mjs [--out FOLDER] [--python PATH]
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { printClients, printTypes } from "./print-python-client.mjs";

const root = resolve(import.meta.dirname, "..");
const { values } = parseArgs({ options: { out: { type: "string" }, python: { type: "string" } } });
const out = values.out ?? join(root, "sdk/python/drover/_gen");
const python = values.python ?? (await findPython());
const env = { ...process.env, PATH: `${join(root, "node_modules/.bin")}${delimiter}${process.env.PATH ?? ""}` };
/** The proto packages of the SDK. */
const protoFolders = ["drover/replica/v1", "drover/v1"];
/**
 * The Python package of the generated code: the proto package `drover` cannot have the SDK's name.
 */
const pythonPackage = "drover._gen";

const scratch = mkdtempSync(join(tmpdir(), "drover-generate-python-"));
try {
  const whole = execFileSync("buf", ["build", "-o", "-"], { cwd: root, env, maxBuffer: 1 << 28 });
  const files = strippedDescriptors(whole);
  const setPath = join(scratch, "set.binpb");
  writeFileSync(setPath, toBinary(FileDescriptorSetSchema, files));
  const ours = files.file.filter(({ name }) => protoFolders.includes(dirname(name)));
  const generated = join(scratch, "out");
  mkdirSync(generated);
  const protoc = (flags, protos) => {
    const argv = ["-m", "grpc_tools.protoc", `--descriptor_set_in=${setPath}`, ...flags.map((flag) => `--${flag}=${generated}`)];
    execFileSync(python, [...argv, ...protos.map(({ name }) => name)], { stdio: "inherit" });
  };
  protoc(["python_out", "pyi_out"], ours);
  protoc(
    ["grpc_python_out"],
    ours.filter(({ service }) => service.length > 0),
  );
  rmSync(out, { recursive: true, force: true });
  for (const folder of protoFolders) {
    mkdirSync(join(out, folder), { recursive: true });
    for (const name of readdirSync(join(generated, folder))) {
      writeFileSync(join(out, folder, name), insidePackage(readFileSync(join(generated, folder, name), "utf8")));
    }
  }
  for (const folder of [".", "drover", "drover/replica", ...protoFolders]) writeFileSync(join(out, folder, "__init__.py"), "");
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, whole));
  writeFileSync(join(out, "types.py"), printTypes(registry));
  writeFileSync(join(out, "clients.py"), printClients(registry));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** All our protos and their imports, without buf/validate and its options. */
function strippedDescriptors(whole) {
  const set = fromBinary(FileDescriptorSetSchema, whole);
  set.file = set.file.filter(({ name }) => !name.startsWith("buf/"));
  for (const file of set.file) {
    file.dependency = file.dependency.filter((path) => !path.startsWith("buf/"));
    stripOptions(file);
  }
  return set;
}

/** This reader sees extensions of options as unknown fields. */
function stripOptions(descriptor) {
  for (const value of Object.values(descriptor)) {
    for (const part of Array.isArray(value) ? value : [value]) if (part?.$typeName?.startsWith("google.protobuf.")) stripOptions(part);
  }
  const { options } = descriptor;
  if (!options?.$unknown) return;
  delete options.$unknown;
  if (Object.keys(options).every((key) => key === "$typeName" || (Array.isArray(options[key]) && options[key].length === 0))) {
    delete descriptor.options;
  }
}

function insidePackage(text) {
  return text
    .replace(/^from (drover(?:\.\w+)*\.v1) import /gm, `from ${pythonPackage}.$1 import `)
    .replace(/^import (drover(?:\.\w+)*\.v1)\./gm, `import ${pythonPackage}.$1.`)
    .replace(/(BuildTopDescriptorsAndMessages\(DESCRIPTOR, ')(drover(?:\.\w+)*\.v1)\./, `$1${pythonPackage}.$2.`);
}

async function findPython() {
  const { pythonToolchain } = await import("../test/sdk/python-toolchain.ts");
  const toolchain = await pythonToolchain();
  if ("missing" in toolchain) throw new Error(`no Python to generate with: ${toolchain.missing}`);
  return toolchain.python;
}
