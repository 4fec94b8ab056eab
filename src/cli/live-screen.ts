import type { Output } from "./io.ts";

/** Without the terminal's height, this many lines stay at its bottom at most. */
const linesMax = 16;
/** Begins a control sequence. */
const csi = "\u001b[";
/** What would move the cursor or clear the screen: all control sequences but those of colours. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
const moves = /\u001b\[[0-?]*[ -/]*[@-ln-~]|\u001b[^[]|[\r\b\v\f]/g;

/**
 * A terminal with lines that stay at its bottom, below all that is printed. They are printed again
 * after each print, and cut at the terminal's width.
 */
export class LiveScreen {
  readonly #terminal: Output;
  #lines: readonly string[] = [];
  #drawn = 0;
  /** A line that has no end yet. */
  #begun = "";

  constructor(terminal: Output) {
    this.#terminal = terminal;
  }

  /** A place to print to, above the lines at the bottom. A line appears once it is whole. */
  get above(): Output {
    const { columns, isTTY = false } = this.#terminal;
    return { write: (chunk) => this.#print(chunk), isTTY, ...(columns !== undefined && { columns }) };
  }

  /** Changes the lines at the bottom. */
  show(lines: readonly string[]): void {
    const { columns = 80, rows } = this.#terminal;
    const rule = "─".repeat(columns);
    // The last ones matter most.
    const fit = lines.slice(-Math.max(1, (rows ?? linesMax + 2) - 2));
    this.#lines = [`${csi}2m${rule}${csi}0m`, ...fit];
    this.#terminal.write(this.#erased() + this.#drawnAgain());
  }

  /** Leaves the lines where they are, and the cursor below them. */
  close(): void {
    this.#drawn = 0;
    this.#lines = [];
  }

  #print(chunk: string | Uint8Array): void {
    const all = this.#begun + (typeof chunk === "string" ? chunk : Buffer.from(chunk).toString());
    const end = all.lastIndexOf("\n") + 1;
    this.#begun = all.slice(end);
    const text = all.slice(0, end).replaceAll(moves, "");
    if (text !== "") this.#terminal.write(this.#erased() + text + this.#drawnAgain());
  }

  #erased(): string {
    return this.#drawn === 0 ? "" : `${csi}${this.#drawn}A${csi}0J`;
  }

  /** Without line wrap, so that a line takes one row, however wide its characters are. */
  #drawnAgain(): string {
    this.#drawn = this.#lines.length;
    return this.#drawn === 0 ? "" : `${csi}?7l${this.#lines.map((line) => `${line}\n`).join("")}${csi}?7h`;
  }
}
