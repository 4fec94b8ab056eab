import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { Json } from "../core/json.ts";
import { messageBytes } from "../core/message-bounds.ts";
import { CliError, usage } from "./cli-error.ts";
import { InexactJson, parseExactJson } from "./exact-json.ts";
import type { CliIo } from "./io.ts";

/** What a server may take at most: a bound for input that never ends. */
const inputBytesMax = messageBytes.max;

/** The bytes of an argument: of its text, of the file in `@FILE`, or of standard input for `-`. */
export async function readInput(argument: string, io: Pick<CliIo, "cwd" | "stdin">): Promise<Uint8Array> {
  if (argument === "-") return readStream(io.stdin, inputBytesMax);
  if (!argument.startsWith("@")) return new TextEncoder().encode(argument);
  try {
    return await readFile(resolve(io.cwd, argument.slice(1)), inputBytesMax);
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(`cannot read ${argument.slice(1)}: ${reasonOf(cause)}`);
  }
}

/** As `readInput`, parsed as JSON that arrives as it is. `name` is the value in errors. */
export async function readJsonInput(argument: string, io: Pick<CliIo, "cwd" | "stdin">, name: string): Promise<Json> {
  const text = utf8Text(await readInput(argument, io), argument);
  try {
    return parseExactJson(text, name);
  } catch (cause) {
    if (cause instanceof InexactJson) throw usage(`not JSON that arrives as it is: ${cause.message}`);
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
    throw usage(`not JSON: ${shown.trim() || "(empty)"}`, (cause as Error).message, "text needs quotes of its own: '\"like this\"'");
  }
}

/** Bytes as text. Throws `CliError` where they are not UTF-8: parts of it would be lost. */
export function utf8Text(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new CliError(`${name.replace(/^@/, "")}: is not text in UTF-8`);
  }
}

/** All bytes of a file, which may be a device. Throws `CliError` above `bytesMax`. */
export function readFile(path: string, bytesMax: number): Promise<Uint8Array> {
  return readStream(createReadStream(path), bytesMax, path);
}

/** All bytes of a stream. Throws `CliError` above `bytesMax`. */
export async function readStream(
  stream: AsyncIterable<Uint8Array | string>,
  bytesMax: number,
  name = "standard input",
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    length += bytes.length;
    if (length > bytesMax) throw new CliError(`${name} has more than ${bytesMax} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** Why a file could not be read, in words. */
export function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  const words: Readonly<Record<string, string>> = { ENOENT: "there is no such file", EISDIR: "it is a folder", EACCES: "no permission" };
  return (code && words[code]) || message;
}
