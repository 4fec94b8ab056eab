// Writes proto/buf/validate/validate.proto, which our protos import, then gen/ from proto/, and the
// gen/ of each example from its protos. With `--out DIR` everything is written under that folder
// instead, and the checkout does not change.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { printProto } from "./print-proto.mjs";

const { out } = parseArgs({ options: { out: { type: "string" } } }).values;

const comment = [
  "The structure of protovalidate's rules (https://github.com/bufbuild/protovalidate): names and numbers, without the rules' own",
  "expressions and comments. No npm package ships the file itself, but @bufbuild/protovalidate carries its descriptor, from which",
  "scripts/generate.mjs prints this. With it, all that this folder holds compiles with plain protoc and buf.",
];
const validate = join(out ?? ".", "proto/buf/validate/validate.proto");
mkdirSync(dirname(validate), { recursive: true });
writeFileSync(validate, printProto(file_buf_validate_validate.proto, comment));
run("format", "--write", validate);

for (const template of ["buf.gen.yaml", "examples/greeter/buf.gen.yaml"])
  run("generate", "--template", template, ...(out === undefined ? [] : ["--output", out]));

function run(...args) {
  execFileSync("buf", args, { stdio: "inherit" });
}
