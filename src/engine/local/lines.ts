import { stripVTControlCharacters } from "node:util";

/** A longer line is split. */
export const lineBytesMax = 64 * 1024;

const newline = 0x0a;

/** A line, and how many of the bytes pushed so far follow its end. */
export interface CutLine {
  readonly line: string;
  readonly bytesAfter: number;
}

/**
 * Splits a stream of bytes into lines. Bytes that are not UTF-8 are replaced; `\r` at the end of a
 * line is dropped.
 */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): string[] {
    return this.cut(bytes).map(({ line }) => line);
  }

  /** As `push`, with where each line ended. */
  cut(bytes: Buffer): CutLine[] {
    const lines: CutLine[] = [];
    let rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    for (;;) {
      const end = rest.subarray(0, lineBytesMax + 1).indexOf(newline);
      if (end < 0 && rest.length <= lineBytesMax) break;
      const length = end < 0 ? wholeCharacters(rest, lineBytesMax) : end;
      const line = decode(rest.subarray(0, length));
      rest = rest.subarray(end < 0 ? length : end + 1);
      lines.push({ line, bytesAfter: rest.length });
    }
    this.#rest = Buffer.from(rest); // a copy, so that the whole part does not stay in memory
    return lines;
  }

  /** The last line, if it has no newline. */
  end(): string[] {
    const last = this.#rest;
    this.#rest = Buffer.alloc(0);
    return last.length > 0 ? [decode(last)] : [];
  }
}

/**
 * A line for an error message: without colours and control characters, and only its last `bytesMax`
 * bytes.
 */
export function readable(line: string, bytesMax: number): string {
  const plain = stripVTControlCharacters(line)
    .replaceAll("\t", "  ")
    .replaceAll(/\p{Cc}/gu, "");
  const bytes = Buffer.from(plain);
  if (bytes.length <= bytesMax) return plain;
  let start = bytes.length - bytesMax;
  while (isContinuation(bytes[start])) start++;
  return bytes.subarray(start).toString();
}

/** The largest length up to `lengthMax` that does not split a character. */
function wholeCharacters(bytes: Buffer, lengthMax: number): number {
  let length = lengthMax;
  while (length > lengthMax - 3 && isContinuation(bytes[length])) length--;
  return length;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

function decode(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}
