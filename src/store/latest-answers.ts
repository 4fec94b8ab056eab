import { answersBytesMax, answersMax } from "./bounds.ts";
import { joined, keptBytes, type Parts } from "./contents.ts";
import { MemoryContents } from "./memory-contents.ts";
import type { RequestAnswer } from "./store.ts";

interface LatestAnswer {
  readonly request: RequestAnswer;
  readonly references: string;
  /** Without those of its contents. */
  readonly bytes: number;
}

/**
 * The latest answers to requests, so that they survive a store that lost everything. Bounded by
 * {@link answersMax} and `bytesMax`; the oldest go first, and the last one always stays. Each large
 * value is kept once, however many answers have it.
 */
export class LatestAnswers {
  readonly #bytesMax: number;
  /** The oldest first. */
  readonly #answers = new Map<string, LatestAnswer>();
  readonly #contents = MemoryContents.empty();

  constructor(bytesMax = answersBytesMax) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#contents.bytesOf("answers");
  }

  /** `parts`: the answer, split. */
  add({ id, fingerprint, answer, expiresAtMs }: RequestAnswer, { json, references, contents }: Parts): void {
    this.#remove(id);
    this.#contents.add(contents);
    this.#contents.hold("answers", references, 1);
    const bytes = keptBytes(id, { json, references });
    this.#contents.charge("answers", bytes);
    const shared = joined<RequestAnswer["answer"]>(json, references, this.#contents) ?? answer;
    this.#answers.set(id, { request: { id, fingerprint, answer: shared, expiresAtMs }, references, bytes });
    for (const oldest of this.#answers.keys()) {
      if (oldest === id || (this.#answers.size <= answersMax && this.bytes <= this.#bytesMax)) return;
      this.#remove(oldest);
    }
  }

  /** The answers that have not expired. */
  at(nowMs: number): readonly RequestAnswer[] {
    for (const { request } of this.#answers.values()) if (request.expiresAtMs <= nowMs) this.#remove(request.id);
    return [...this.#answers.values()].map(({ request }) => request);
  }

  #remove(id: string): void {
    const kept = this.#answers.get(id);
    if (kept === undefined) return;
    this.#answers.delete(id);
    this.#contents.charge("answers", -kept.bytes);
    this.#contents.hold("answers", kept.references, -1);
  }
}
