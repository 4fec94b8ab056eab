import type { Json } from "../core/json.ts";
import { type Content, digestsIn } from "./contents.ts";

/** What refers to contents: objects, kept changes, or kept answers. */
export type Holder = "objects" | "changes" | "answers";

interface KeptContent {
  readonly value: Json;
  readonly bytes: number;
  readonly holds: Readonly<Record<Holder, number>>;
}

/**
 * The contents of the store in memory: as `commit.lua` keeps those in Redis. A content is dropped
 * when nothing refers to it. A content that no object refers to counts towards the bytes of the
 * changes and of the answers that do.
 */
export class MemoryContents {
  readonly #contents: Map<string, KeptContent>;
  #bytes: Readonly<Record<Holder, number>>;

  private constructor(contents: Map<string, KeptContent>, bytes: Readonly<Record<Holder, number>>) {
    this.#contents = contents;
    this.#bytes = bytes;
  }

  static empty(): MemoryContents {
    return new MemoryContents(new Map(), { objects: 0, changes: 0, answers: 0 });
  }

  copy(): MemoryContents {
    return new MemoryContents(new Map(this.#contents), this.#bytes);
  }

  get(digest: string): Json | undefined {
    return this.#contents.get(digest)?.value;
  }

  /** The bytes of kept changes or answers, with those of the contents that only they hold. */
  bytesOf(holder: Holder): number {
    return this.#bytes[holder];
  }

  get size(): { readonly contents: number; readonly contentsBytes: number } {
    const all = [...this.#contents.values()];
    return { contents: all.length, contentsBytes: all.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  /** Adds what is not kept yet. The caller holds it at once. */
  add(contents: readonly Content[]): void {
    for (const { digest, value } of contents) {
      if (this.#contents.has(digest)) continue;
      const json = JSON.stringify(value);
      const holds = { objects: 0, changes: 0, answers: 0 };
      this.#contents.set(digest, { value: JSON.parse(json), bytes: Buffer.byteLength(json), holds });
    }
  }

  /** `by`: 1, or -1 when the holder is gone. */
  hold(holder: Holder, references: string, by: 1 | -1): void {
    for (const digest of digestsIn(references)) {
      const kept = this.#contents.get(digest);
      if (kept === undefined) continue;
      const after = { ...kept, holds: { ...kept.holds, [holder]: kept.holds[holder] + by } };
      for (const history of ["changes", "answers"] as const) this.charge(history, charged(after, history) - charged(kept, history));
      const { objects, changes, answers } = after.holds;
      if (objects + changes + answers === 0) this.#contents.delete(digest);
      else this.#contents.set(digest, after);
    }
  }

  /** Adds to the bytes of kept changes or answers. */
  charge(holder: Holder, bytes: number): void {
    this.#bytes = { ...this.#bytes, [holder]: this.#bytes[holder] + bytes };
  }
}

function charged({ bytes, holds }: KeptContent, history: Holder): number {
  return holds.objects === 0 && holds[history] > 0 ? bytes : 0;
}
