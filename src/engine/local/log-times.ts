import { appendFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";

/** The most marks kept, about 40 KB. */
const marksMax = 1_000;

/**
 * All bytes of an output before `position` were written by `atMs`, and after the time of the
 * previous mark.
 */
interface Mark {
  readonly position: number;
  readonly atMs: number;
}

/**
 * When the bytes of an output were written, as exact as the file is observed. The program writes
 * its output itself, so the times cannot be in it. They are in a text file next to it, which
 * outlives the controller. Its lines are `<position> <time>` (a mark), `cut <position>` (where the
 * output begins since it was truncated) and `from <position>` (no time before it is known). Old
 * marks are thinned out, so older times are less exact.
 */
export class LogTimes {
  readonly #path: string;
  #marks: Mark[] = [];
  #cut = 0;
  /** No time is known for bytes before this position. */
  #from = 0;

  /** Reads the recorded times. `sizeNow` is the size of the output. */
  constructor(path: string, sizeNow: number) {
    this.#path = path;
    const kept = readIfThere(path);
    for (const line of kept?.split("\n") ?? []) this.#take(line);
    const end = this.#cut + sizeNow;
    // Otherwise an earlier version, without this file, wrote the output, or a truncation was not
    // recorded.
    const fits = kept !== undefined && (this.#marks.at(-1)?.position ?? 0) <= end;
    if (fits || (kept === undefined && sizeNow === 0)) return;
    this.#marks = [];
    this.#from = end;
    this.#rewrite();
  }

  /** The position at which the output begins since it was last truncated. */
  get cut(): number {
    return this.#cut;
  }

  /** Records that the output was truncated and begins at `position` now. */
  noteCut(position: number): void {
    this.#cut = position;
    this.#append(`cut ${position}`);
  }

  /**
   * Records that all bytes before `position` were written by `atMs`. `begin` returns the first
   * position that is kept.
   */
  note(position: number, atMs: number, begin: () => number): void {
    const last = this.#marks.at(-1);
    if (position <= Math.max(last?.position ?? 0, this.#from)) return;
    const mark = { position, atMs: Math.max(Math.floor(atMs), last?.atMs ?? 0) };
    this.#marks.push(mark);
    if (this.#marks.length <= marksMax) this.#append(printMark(mark));
    else this.#thin(begin());
  }

  /** When the byte before `position` was written; undefined: not known. */
  at(position: number): number | undefined {
    if (position <= this.#from) return undefined;
    let [low, high] = [0, this.#marks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#marks[middle]?.position ?? 0) < position) low = middle + 1;
      else high = middle;
    }
    return this.#marks[low]?.atMs;
  }

  #take(line: string): void {
    const [first = "", second = ""] = line.split(" ");
    if (first === "cut") this.#cut = Number(second);
    else if (first === "from") this.#from = Number(second);
    else if (second !== "") this.#marks.push({ position: Number(first), atMs: Date.parse(second) });
  }

  #thin(begin: number): void {
    const kept = this.#marks.filter(({ position }) => position >= begin);
    this.#marks = kept.length <= marksMax / 2 ? kept : kept.filter((_, index) => index % 2 === (kept.length - 1) % 2);
    this.#rewrite();
  }

  #rewrite(): void {
    const lines = [`cut ${this.#cut}`, `from ${this.#from}`, ...this.#marks.map(printMark)];
    ignoringFullDisk(() => {
      writeFileSync(`${this.#path}.part`, `${lines.join("\n")}\n`, { mode: 0o600 });
      renameSync(`${this.#path}.part`, this.#path); // atomic
    });
  }

  #append(line: string): void {
    ignoringFullDisk(() => appendFileSync(this.#path, `${line}\n`, { mode: 0o600 }));
  }
}

function printMark({ position, atMs }: Mark): string {
  return `${position} ${new Date(atMs).toISOString()}`;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Ignores failures: a time that is not stored is no reason to stop. */
function ignoringFullDisk(write: () => void): void {
  try {
    write();
  } catch {
    // The folder is gone, or the disk is full. The time is known while this controller runs.
  }
}
