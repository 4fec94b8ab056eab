import { answerCharsMax, answersMax } from "./bounds.ts";
import type { RequestAnswer } from "./store.ts";

/**
 * The latest answers to requests, so that they survive a store that lost everything. Bounded by
 * {@link answersMax} and {@link answerCharsMax}; the oldest go first. Their large values are those
 * that records have, too.
 */
export class LatestAnswers {
  /** The oldest first. */
  readonly #answers = new Map<string, { readonly request: RequestAnswer; readonly chars: number }>();
  #chars = 0;

  /** `chars`: of the answer as JSON, without its large values. */
  add({ id, fingerprint, answer, expiresAtMs }: RequestAnswer, chars: number): void {
    this.#remove(id);
    this.#answers.set(id, { request: { id, fingerprint, answer, expiresAtMs }, chars });
    this.#chars += chars;
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= answersMax && this.#chars <= answerCharsMax) return;
      this.#remove(oldest);
    }
  }

  /** The answers that have not expired. */
  at(nowMs: number): readonly RequestAnswer[] {
    for (const { request } of this.#answers.values()) if (request.expiresAtMs <= nowMs) this.#remove(request.id);
    return [...this.#answers.values()].map(({ request }) => request);
  }

  #remove(id: string): void {
    this.#chars -= this.#answers.get(id)?.chars ?? 0;
    this.#answers.delete(id);
  }
}
