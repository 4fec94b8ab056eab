import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { type KindEntry, kinds, type RequestAnswer, type StoreContent } from "./store.ts";
import { upgraded } from "./upgrade.ts";

/** A larger state is not written. */
export const snapshotBytesMax = 256 << 20;
const format = 1;
/** Characters that are written at once. Between them, this process does other work. */
const chunkChars = 256 << 10;

/** A state, as it was at a time. */
export interface Snapshot {
  readonly content: StoreContent;
  readonly writtenAtMs: number;
}

/**
 * The file has one JSON value per line: the head, the answers, the objects, and how many lines were
 * before the last.
 */
interface Head {
  readonly drover: "snapshot";
  readonly format: number;
  readonly position: number;
  readonly epoch: number;
  readonly writtenAtMs: number;
}
type Line = { readonly answer: RequestAnswer } | { readonly object: KindEntry } | { readonly end: number };

/**
 * Writes the file under another name and renames it, so that it is always whole. Only its owner may
 * read it. Fails, and leaves the former file, if it would be larger than {@link snapshotBytesMax}.
 */
export async function writeSnapshot(path: string, { content, writtenAtMs }: Snapshot, bytesMax = snapshotBytesMax): Promise<void> {
  const part = `${path}.part`;
  await rm(part, { force: true });
  const file = await open(part, "wx", 0o600);
  try {
    await writeLines(file, linesOf(content, writtenAtMs), bytesMax);
    await file.sync();
    await file.close();
    await rename(part, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(part, { force: true }).catch(() => {});
    throw error;
  }
}

function* linesOf({ position, epoch, requests, entries }: StoreContent, writtenAtMs: number): Iterable<Head | Line> {
  yield { drover: "snapshot", format, position, epoch, writtenAtMs };
  let lines = 1;
  for (const answer of requests) {
    yield { answer };
    lines += 1;
  }
  for (const object of entries) {
    yield { object };
    lines += 1;
  }
  yield { end: lines };
}

async function writeLines(file: FileHandle, lines: Iterable<Head | Line>, bytesMax: number): Promise<void> {
  let chunk = "";
  let bytes = 0;
  const flush = async () => {
    const data = Buffer.from(chunk);
    bytes += data.length;
    if (bytes > bytesMax) throw new Error(`the state is larger than ${bytesMax} bytes`);
    await file.writeFile(data);
    chunk = "";
  };
  for (const line of lines) {
    chunk += `${JSON.stringify(line)}\n`;
    if (chunk.length >= chunkChars) await flush();
  }
  await flush();
}

/**
 * Reads the file. Undefined: there is none. Fails with an Error if it is damaged, or of a later
 * version.
 */
export async function readSnapshot(path: string): Promise<Snapshot | undefined> {
  const input = createReadStream(path, "utf8");
  let head: Head | undefined;
  let [lines, whole] = [0, false];
  const requests: RequestAnswer[] = [];
  const entries: KindEntry[] = [];
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const line = JSON.parse(text) as Head | Line;
      if (head === undefined) head = headOf(line);
      else if ("answer" in line) requests.push(line.answer);
      else if ("object" in line) entries.push(current(line.object));
      else if ("end" in line) whole = line.end === lines;
      lines += 1;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (head === undefined || !whole) throw new Error("it ends too early");
  const { position, epoch, writtenAtMs } = head;
  return { content: { position, epoch, requests, entries }, writtenAtMs };
}

function headOf(line: Head | Line): Head {
  if (!("drover" in line)) throw new Error("it is no snapshot");
  if (line.format !== format) throw new Error(`its format is ${line.format}, and this version reads ${format}`);
  return line;
}

/** An object that an earlier version may have written. */
function current({ kind, entry }: KindEntry): KindEntry {
  if (!kinds.includes(kind)) throw new Error(`it has an object of unknown kind ${kind}`);
  return { kind, entry: { ...entry, value: upgraded(kind, entry.value) } } as KindEntry;
}
