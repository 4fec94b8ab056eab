import { appendFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";

/** The most marks kept: some 40 KB. */
const marksMax = 1_000;

/** All bytes of an output before `position` were written by `atMs`, and not before the mark before. */
interface Mark {
  readonly position: number;
  readonly atMs: number;
}

/**
 * When the bytes of an output were written, as far as somebody looked. A program writes its output itself, so the times cannot
 * stand in the output; they stand in a text file beside it, and outlive a controller. Its lines are `<position> <time>` (a mark),
 * `cut <position>` (at which the output begins since it was cut) and `from <position>` (nothing before it is known).
 * Bounds: older marks are thinned out, so that older times are less exact.
 */
export class LogTimes {
  readonly #path: string;
  #marks: Mark[] = [];
  #cut = 0;
  /** Of bytes up to here no time is known. */
  #from = 0;

  /** Reads what is kept. `sizeNow` is that of the output. */
  constructor(path: string, sizeNow: number) {
    this.#path = path;
    const kept = readIfThere(path);
    for (const line of kept?.split("\n") ?? []) this.#take(line);
    const end = this.#cut + sizeNow;
    // Without a file an earlier version wrote the output; or a cut and its note did not both happen.
    const fits = kept !== undefined && (this.#marks.at(-1)?.position ?? 0) <= end;
    if (fits || (kept === undefined && sizeNow === 0)) return;
    this.#marks = [];
    this.#from = end;
    this.#rewrite();
  }

  /** The position at which the output begins, since it was last cut. */
  get cut(): number {
    return this.#cut;
  }

  /** Notes that the output was cut, and begins at `position` now. */
  noteCut(position: number): void {
    this.#cut = position;
    this.#append(`cut ${position}`);
  }

  /** Notes that all bytes before `position` were written by `atMs`. `begin`: the first position that is kept. */
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
      renameSync(`${this.#path}.part`, this.#path); // whole or not at all
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

/** A time that is not kept is no reason to stop. */
function ignoringFullDisk(write: () => void): void {
  try {
    write();
  } catch {
    // The folder is gone, or the disk is full: the time is known as long as this controller runs.
  }
}
