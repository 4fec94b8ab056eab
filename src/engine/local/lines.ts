import { stripVTControlCharacters } from "node:util";

/** A longer line comes in pieces. */
export const lineBytesMax = 64 * 1024;

const newline = 0x0a;

/** A line, and how many of the bytes pushed so far come after its end. */
export interface CutLine {
  readonly line: string;
  readonly bytesAfter: number;
}

/** Cuts bytes that come in parts into lines. Bytes that are not UTF-8 are replaced; `\r` at the end of a line is dropped. */
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
    this.#rest = Buffer.from(rest); // a copy: the whole part need not stay in memory
    return lines;
  }

  /** The last line, if its end has not come. */
  end(): string[] {
    const last = this.#rest;
    this.#rest = Buffer.alloc(0);
    return last.length > 0 ? [decode(last)] : [];
  }
}

/** A line as a person may read it in an error: without colours and other control characters, at most `bytesMax` bytes of its end. */
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

/** The largest length up to `lengthMax` that does not end in the middle of a character. */
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
