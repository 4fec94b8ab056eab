import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../clock/clock.ts";
import type { LogLine } from "../../core/log-line.ts";
import { type CutLine, LineSplitter, readable } from "./lines.ts";
import { LogFile } from "./log-file.ts";

/** How far back a tail reaches in each output, for any number of lines. */
const tailBytesMax = 4 * 1024 * 1024;
/** The most that `lastErrors` returns, all lines together. */
const errorBytesMax = 8 * 1024;
/** How often the files are polled for new lines. */
const pollMs = 200;

/** A replica's standard output and standard error: two files in its folder. */
export class ReplicaOutput {
  readonly #stdout: LogFile;
  readonly #stderr: LogFile;
  #noisy = false;

  constructor(folder: string) {
    this.#stdout = new LogFile(join(folder, "stdout.log"));
    this.#stderr = new LogFile(join(folder, "stderr.log"));
  }

  get paths(): { readonly stdout: string; readonly stderr: string } {
    return { stdout: this.#stdout.path, stderr: this.#stderr.path };
  }

  /** Appends lines to its standard error that say why it was not started. */
  async note(lines: readonly string[]): Promise<void> {
    await appendFile(this.#stderr.path, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
  }

  /** Records when the current output was written. More frequent calls make the times more exact. */
  noteTimes(): void {
    this.#stdout.noteTime();
    this.#stderr.noteTime();
  }

  /** Bounds each file to `bytesMax`, and its older part to as much. */
  async bound(bytesMax: number): Promise<void> {
    const cut = await Promise.all([this.#stdout.bound(bytesMax), this.#stderr.bound(bytesMax)]);
    this.#noisy = cut.includes(true);
  }

  /** Whether the last `bound` had to truncate a file. */
  get isNoisy(): boolean {
    return this.#noisy;
  }

  /** The last lines of standard error that are not empty, made readable. */
  async lastErrors(linesMax: number): Promise<readonly string[]> {
    const { bytes } = await this.#stderr.tail(errorBytesMax + 1);
    const splitter = new LineSplitter();
    const raw = [...splitter.push(bytes), ...splitter.end()];
    const cut = bytes.length > errorBytesMax && raw.length > 1; // the first line lacks its beginning
    const lines = raw.slice(cut ? 1 : 0).map((line) => readable(line, errorBytesMax));
    return lastWithin(
      lines.filter((line) => line.trim() !== ""),
      linesMax,
      errorBytesMax,
    );
  }

  /** The last `tailLines` of each file; with `follow` also new lines, until the signal aborts. */
  async *lines(
    replicaId: string,
    { tailLines, follow }: { readonly tailLines: number; readonly follow: boolean },
    clock: Clock,
    signal: AbortSignal,
  ): AsyncIterable<LogLine> {
    const streams = [
      { stream: "stdout", file: this.#stdout, splitter: new LineSplitter() },
      { stream: "stderr", file: this.#stderr, splitter: new LineSplitter() },
    ] as const;
    const positions = new Map<LogFile, number>();
    const logLine = (stream: LogLine["stream"], file: LogFile, next: number, { line, bytesAfter }: CutLine): LogLine => {
      const atMs = file.writtenAtMs(next - bytesAfter);
      return { replicaId, stream, line, ...(atMs === undefined ? {} : { atMs }) };
    };
    const last = (splitter: LineSplitter): CutLine[] => splitter.end().map((line) => ({ line, bytesAfter: 0 }));
    for (const { stream, file, splitter } of streams) {
      const { bytes, next } = await file.tail(tailBytesMax);
      positions.set(file, next);
      file.noteTime(); // after the read, so that everything read has a time
      const lines = [...splitter.cut(bytes), ...(follow ? [] : last(splitter))];
      for (const line of tailLines > 0 ? lines.slice(-tailLines) : []) yield logLine(stream, file, next, line);
    }
    while (follow && !signal.aborted) {
      let read = 0;
      for (const { stream, file, splitter } of streams) {
        const { bytes, next } = await file.read(positions.get(file) ?? 0);
        positions.set(file, next);
        read += bytes.length;
        if (bytes.length > 0) file.noteTime();
        for (const line of splitter.cut(bytes)) yield logLine(stream, file, next, line);
      }
      if (read === 0) await clock.sleep(pollMs, signal);
    }
    if (!follow) return;
    for (const { stream, file, splitter } of streams)
      for (const line of last(splitter)) yield logLine(stream, file, positions.get(file) ?? 0, line);
  }
}

/** The last lines that fit into both bounds. */
function lastWithin(lines: readonly string[], linesMax: number, bytesMax: number): readonly string[] {
  let [start, bytes] = [lines.length, 0];
  while (start > 0 && lines.length - start < linesMax) {
    bytes += Buffer.byteLength(lines[start - 1]!) + 1;
    if (bytes > bytesMax + 1) break;
    start--;
  }
  return lines.slice(start);
}
