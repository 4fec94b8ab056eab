// Writes gen/ from proto/, and the examples' gen/ from theirs. No npm package ships buf/validate/validate.proto as text, but protovalidate
// carries its descriptor: print one from it (structure only) into an ignored folder for the compiler.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

const scalars = {
  1: "double",
  2: "float",
  3: "int64",
  4: "uint64",
  5: "int32",
  6: "fixed64",
  7: "fixed32",
  8: "bool",
  9: "string",
  12: "bytes",
  13: "uint32",
  15: "sfixed32",
  16: "sfixed64",
  17: "sint32",
  18: "sint64",
};
const proto = file_buf_validate_validate.proto;

const typeName = (field) => scalars[field.type] ?? field.typeName;
function printField(field, label = field.label === 3 ? "repeated " : field.label === 2 ? "required " : "optional ") {
  return `${label}${typeName(field)} ${field.name} = ${field.number};`;
}
function printMessage(message) {
  const map = (field) =>
    message.nestedType.find((type) => type.options?.mapEntry && field.typeName.endsWith(`.${message.name}.${type.name}`));
  const fields = message.field.map((field) => {
    const entry = map(field);
    if (entry) return `map<${typeName(entry.field[0])}, ${typeName(entry.field[1])}> ${field.name} = ${field.number};`;
    return field.oneofIndex !== undefined && message.oneofDecl[field.oneofIndex] && !field.proto3Optional && isInOneof(message, field)
      ? `oneof ${message.oneofDecl[field.oneofIndex].name} { ${printField(field, "")} }`
      : printField(field);
  });
  const ranges = message.extensionRange.map((range) => `extensions ${range.start} to ${range.end > 536870911 ? "max" : range.end - 1};`);
  const nested = message.nestedType.filter((type) => !type.options?.mapEntry).map(printMessage);
  return `message ${message.name} {\n${[...mergeOneofs(fields), ...ranges, ...nested, ...message.enumType.map(printEnum)].join("\n")}\n}`;
}
const isInOneof = (message, field) => Object.hasOwn(field, "oneofIndex") && message.oneofDecl.length > 0;
function mergeOneofs(lines) {
  const groups = new Map();
  const out = [];
  for (const line of lines) {
    const match = /^oneof (\w+) \{ (.*) \}$/.exec(line);
    if (!match) out.push(line);
    else groups.set(match[1], [...(groups.get(match[1]) ?? []), match[2]]);
  }
  return [...out, ...[...groups].map(([name, fields]) => `oneof ${name} { ${fields.join(" ")} }`)];
}
const printEnum = (type) => `enum ${type.name} {\n${type.value.map((value) => `${value.name} = ${value.number};`).join("\n")}\n}`;

const text = [
  'syntax = "proto2";',
  `package ${proto.package};`,
  ...proto.dependency.map((path) => `import "${path}";`),
  ...proto.messageType.map(printMessage),
  ...proto.enumType.map(printEnum),
  ...proto.extension.map((extension) => `extend ${extension.extendee} { ${printField(extension)} }`),
].join("\n");

mkdirSync(".generate/validate/buf/validate", { recursive: true });
writeFileSync(".generate/validate/buf/validate/validate.proto", text);
// One template for each gen/ folder. With `--out DIR` everything is written under that folder instead, and the checkout stays as it is.
const { out } = parseArgs({ options: { out: { type: "string" } } }).values;
for (const template of ["buf.gen.yaml", "examples/greeter/buf.gen.yaml"])
  execFileSync("buf", ["generate", "--template", template, ...(out === undefined ? [] : ["--output", out])], { stdio: "inherit" });
