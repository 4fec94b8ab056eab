// Prints the structure of a proto2 file from its descriptor: names, numbers and types, no options
// of fields and no comments.

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
const labels = { 1: "optional", 2: "required", 3: "repeated" };
const extensionMax = 536_870_911;

/** The text of a .proto file, before formatting. `comment` is put above the syntax. */
export function printProto(file, comment) {
  const { goPackage, javaPackage, javaOuterClassname, javaMultipleFiles } = file.options;
  return [
    ...comment.map((line) => `// ${line}`),
    'syntax = "proto2";',
    `package ${file.package};`,
    ...file.dependency.map((path) => `import "${path}";`),
    `option go_package = "${goPackage}";`,
    `option java_multiple_files = ${javaMultipleFiles};`,
    `option java_outer_classname = "${javaOuterClassname}";`,
    `option java_package = "${javaPackage}";`,
    ...file.messageType.map(printMessage),
    ...file.enumType.map(printEnum),
    ...file.extension.map((extension) => `\nextend ${extension.extendee} { ${printField(extension)} }`),
    "",
  ].join("\n");
}

function printMessage(message) {
  const oneofs = message.oneofDecl.map(({ name }, index) => {
    const fields = message.field.filter((field) => oneofOf(message, field) === index);
    return `oneof ${name} { ${fields.map(printPlain).join(" ")} }`;
  });
  const fields = message.field
    .filter((field) => oneofOf(message, field) === undefined)
    .map((field) => printMap(message, field) ?? printField(field));
  const ranges = message.extensionRange.map(({ start, end }) => `extensions ${start} to ${end > extensionMax ? "max" : end - 1};`);
  const nested = message.nestedType.filter(({ options }) => !options?.mapEntry).map(printMessage);
  return `\nmessage ${message.name} {\n${[...fields, ...oneofs, ...ranges, ...nested, ...message.enumType.map(printEnum)].join("\n")}\n}`;
}

/**
 * The index of a field's oneof; undefined: none. A field without a oneof inherits index 0 from its
 * prototype.
 */
const oneofOf = (message, field) => (Object.hasOwn(field, "oneofIndex") && message.oneofDecl.length > 0 ? field.oneofIndex : undefined);

function printMap(message, field) {
  const entry = message.nestedType.find(({ name, options }) => options?.mapEntry && field.typeName.endsWith(`.${message.name}.${name}`));
  return entry && `map<${typeName(entry.field[0])}, ${typeName(entry.field[1])}> ${field.name} = ${field.number};`;
}

const typeName = (field) => scalars[field.type] ?? field.typeName;
const printPlain = (field) => `${typeName(field)} ${field.name} = ${field.number};`;
const printField = (field) => `${labels[field.label]} ${printPlain(field)}`;
const printEnum = (type) => `\nenum ${type.name} {\n${type.value.map(({ name, number }) => `${name} = ${number};`).join("\n")}\n}`;
