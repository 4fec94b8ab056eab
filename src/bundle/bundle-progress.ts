import { basename } from "node:path";
import { type BundleFile, bytesOf } from "../core/bundle.ts";
import { formatBytes } from "../core/resources.ts";
import type { BundleEvents } from "./send-bundle.ts";

/** A file above this size is named: perhaps it was not meant to be sent. */
const largeBytes = 50 * 1_024 * 1_024;
/** The shortest time between two states that are shown. */
const shownMs = 100;

/** A line for each large file. */
export function largeFileLines(files: readonly BundleFile[]): readonly string[] {
  return files
    .filter(({ sizeBytes }) => sizeBytes > largeBytes)
    .map(({ path, sizeBytes }) => `${nameOf(path)} has ${formatBytes(sizeBytes)}: is it meant to be sent? .droverignore leaves it out`);
}

export const filesInWords = (count: number): string => (count === 1 ? "1 file" : `${count.toLocaleString("en")} files`);

/** A name without characters that control a terminal. */
const nameOf = (name: string): string => name.replace(/\p{Cc}/gu, "?");

/** Where it is shown what is sent: standard error. */
export interface ProgressOutput {
  write(text: string): unknown;
  /** Whether it is a terminal, where lines are rewritten. */
  readonly isTTY?: boolean;
}

/** Shows what of a bundle is sent: a line that counts on a terminal, else one line. */
export class BundleProgress implements BundleEvents {
  readonly #output: ProgressOutput;
  readonly #nowMs: () => number;
  readonly #folder: string;
  #what = "";
  #totalBytes = 0;
  #sentBytes = 0;
  #shownAtMs = Number.NEGATIVE_INFINITY;

  constructor(folder: string, output: ProgressOutput, nowMs: () => number) {
    this.#output = output;
    this.#nowMs = nowMs;
    this.#folder = folder;
  }

  onBegin(missing: readonly BundleFile[]): void {
    for (const line of largeFileLines(missing)) this.#write(`${line}\n`);
    if (missing.length === 0) return;
    this.#totalBytes = bytesOf(missing);
    this.#what = `${filesInWords(missing.length)} of ${nameOf(basename(this.#folder) || this.#folder)}`;
    if (!this.#counts) this.#write(`sending ${this.#what}, ${formatBytes(this.#totalBytes)}\n`);
  }

  onProgress(sentBytes: number): void {
    this.#sentBytes = sentBytes;
    const nowMs = this.#nowMs();
    if (!this.#counts || nowMs - this.#shownAtMs < shownMs) return;
    this.#shownAtMs = nowMs;
    this.#write(`\r\u001b[Ksending ${this.#what}: ${formatBytes(sentBytes)} of ${formatBytes(this.#totalBytes)}`);
  }

  /** Ends the line that counts. */
  close(): void {
    if (!this.#counts || this.#what === "") return;
    const isWhole = this.#sentBytes === this.#totalBytes;
    this.#write(isWhole ? `\r\u001b[Ksent ${this.#what}, ${formatBytes(this.#totalBytes)}\n` : "\r\u001b[K");
  }

  get #counts(): boolean {
    return this.#output.isTTY === true;
  }

  #write(text: string): void {
    this.#output.write(text);
  }
}
