import type { Output } from "../../src/cli/io.ts";

/** A terminal of text alone: it knows what the CLI writes, and nothing else. */
export class Terminal implements Output {
  readonly isTTY = true;
  readonly columns: number;
  readonly rows: number;
  onWrite: (text: string) => void = () => {};
  #lines: string[] = [""];
  #row = 0;
  #wraps = true;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** All that was written and not erased, scrolled away or not. */
  get text(): string {
    return this.#lines.join("\n");
  }

  write(chunk: string | Uint8Array): void {
    const text = String(chunk);
    this.onWrite(text);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal is controlled by these
    for (const [token] of text.matchAll(/\u001b\[[0-9;?]*[a-zA-Z]|\n|[^\n\u001b]+/g)) this.#take(token);
  }

  #take(token: string): void {
    if (token === "\n") this.#down();
    else if (!token.startsWith("\u001b")) this.#put(token);
    else if (token.endsWith("A")) this.#up(Number(token.slice(2, -1)));
    else if (token === "\u001b[0J") this.#lines.splice(this.#row, Number.POSITIVE_INFINITY, "");
    else if (token === "\u001b[?7l") this.#wraps = false;
    else if (token === "\u001b[?7h") this.#wraps = true;
    else if (!token.endsWith("m")) throw new Error(`the terminal of the tests does not know ${JSON.stringify(token)}`);
  }

  #put(text: string): void {
    const line = this.#lines[this.#row] + text;
    this.#lines[this.#row] = line.slice(0, this.columns);
    if (!this.#wraps || line.length <= this.columns) return;
    this.#down();
    this.#put(line.slice(this.columns));
  }

  #down(): void {
    this.#row += 1;
    if (this.#row === this.#lines.length) this.#lines.push("");
  }

  #up(rows: number): void {
    if (rows > this.#row || rows >= this.rows) throw new Error(`the cursor cannot go up ${rows} rows of ${this.rows}`);
    this.#row -= rows;
  }
}
