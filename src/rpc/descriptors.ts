import { type DescFile, type DescService, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type DescriptorProto, type FileDescriptorProto, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";

/**
 * Descriptors by name, as reflection serves and reads them. Files are serialized
 * `FileDescriptorProto`s.
 */
export interface DescriptorSource {
  /** Full names of the services. */
  services(): readonly string[] | Promise<readonly string[]>;
  /** The file with this name, for example `drover/v1/errors.proto`. */
  fileByName(name: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** The file that declares a service, method, message or enum of that full name. */
  fileBySymbol(symbol: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/**
 * The descriptors of generated services and of error details, with all imports. A file is
 * serialized when first read.
 */
export function descriptorsOf(services: readonly DescService[]): DescriptorSource {
  const files = new Map<string, FileDescriptorProto>();
  const add = ({ proto, dependencies }: DescFile) => {
    if (files.has(proto.name)) return;
    files.set(proto.name, proto);
    for (const dependency of dependencies) add(dependency);
  };
  for (const service of services) add(service.file);
  add(file_google_rpc_error_details);
  return sourceOf(
    services.map((service) => service.typeName),
    files,
    (file) => toBinary(FileDescriptorProtoSchema, file),
  );
}

/** The descriptors in serialized files; `services` are the names to list. */
export function descriptorsIn(services: readonly string[], files: readonly Uint8Array[]): DescriptorSource {
  const bytesOf = new Map(files.map((bytes) => [fromBinary(FileDescriptorProtoSchema, bytes), bytes]));
  const byName = new Map([...bytesOf.keys()].map((file) => [file.name, file]));
  return sourceOf(services, byName, (file) => bytesOf.get(file) as Uint8Array);
}

function sourceOf(
  services: readonly string[],
  files: ReadonlyMap<string, FileDescriptorProto>,
  serialize: (file: FileDescriptorProto) => Uint8Array,
): DescriptorSource {
  const names = [...new Set(services)];
  const serialized = new Map<FileDescriptorProto, Uint8Array>();
  const bytes = (file: FileDescriptorProto | undefined) => {
    if (file === undefined) return undefined;
    const known = serialized.get(file) ?? serialize(file);
    serialized.set(file, known);
    return known;
  };
  let symbols: Map<string, FileDescriptorProto> | undefined;
  return {
    services: () => names,
    fileByName: (name) => bytes(files.get(name)),
    fileBySymbol: (symbol) => {
      symbols ??= new Map([...files.values()].flatMap((file) => symbolsOf(file).map((name) => [name, file] as const)));
      return bytes(symbols.get(symbol));
    },
  };
}

function symbolsOf(file: FileDescriptorProto): string[] {
  const scope = file.package === "" ? "" : `${file.package}.`;
  return [
    ...file.messageType.flatMap((message) => symbolsOfMessage(scope, message)),
    ...file.enumType.map(({ name }) => scope + name),
    ...file.extension.map(({ name }) => scope + name),
    ...file.service.flatMap(({ name, method }) => [scope + name, ...method.map((one) => `${scope}${name}.${one.name}`)]),
  ];
}

function symbolsOfMessage(scope: string, { name, nestedType, enumType, extension }: DescriptorProto): string[] {
  const inner = `${scope}${name}.`;
  return [
    scope + name,
    ...nestedType.flatMap((message) => symbolsOfMessage(inner, message)),
    ...[...enumType, ...extension].map((one) => inner + one.name),
  ];
}

/** All sources as one. Where several have a name, the first wins. */
export function mergeSources(...sources: readonly DescriptorSource[]): DescriptorSource {
  const first = async (find: (source: DescriptorSource) => ReturnType<DescriptorSource["fileByName"]>) => {
    for (const source of sources) {
      const file = await find(source);
      if (file !== undefined) return file;
    }
    return undefined;
  };
  return {
    services: async () => [...new Set((await Promise.all(sources.map((source) => source.services()))).flat())],
    fileByName: (name) => first((source) => source.fileByName(name)),
    fileBySymbol: (symbol) => first((source) => source.fileBySymbol(symbol)),
  };
}

/** The names of the files a serialized file imports. */
export function importsOf(file: Uint8Array): readonly string[] {
  return fromBinary(FileDescriptorProtoSchema, file).dependency;
}

/** The name of a serialized file. */
export function nameOf(file: Uint8Array): string {
  return fromBinary(FileDescriptorProtoSchema, file).name;
}
