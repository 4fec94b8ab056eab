import type { Metadata } from "@grpc/grpc-js";
import { StatusError } from "../core/errors.ts";
import { textOf } from "./checklist.ts";
import type { MethodCall, Talk } from "./talk.ts";

/** How a request ended: with a result, or with an error. */
export interface RequestEnd {
  readonly error: StatusError | undefined;
  readonly tookMs: number;
}

/** A request that is in work while other calls are made. */
export class HeldRequest {
  /** Rejects only because of a bug. */
  readonly ended: Promise<RequestEnd>;
  readonly #leave = new AbortController();
  #end: RequestEnd | undefined;
  #trailers: Metadata | undefined;

  constructor(talk: Talk, call: MethodCall, nowMs: () => number) {
    const beganMs = nowMs();
    const onTrailers = (trailers: Metadata) => {
      this.#trailers = trailers;
    };
    const options = { signal: this.#leave.signal, onTrailers };
    const end = (error: StatusError | undefined): RequestEnd => {
      this.#end = { error, tookMs: nowMs() - beganMs };
      return this.#end;
    };
    this.ended = talk.invoke(call, "", options).then(
      () => end(undefined),
      (error: unknown) => {
        if (error instanceof StatusError) return end(error);
        throw error;
      },
    );
  }

  /** Undefined: it is in work. */
  get end(): RequestEnd | undefined {
    return this.#end;
  }

  /** Resolves or rejects as the request ends. */
  get result(): Promise<void> {
    return this.ended.then(({ error }) => {
      if (error !== undefined) throw error;
    });
  }

  /** How it ended, or that it is in work, in words. */
  get text(): string {
    if (this.#end === undefined) return "it was taken";
    return this.#end.error === undefined ? `it was answered with OK after ${this.#end.tookMs} ms` : textOf(this.#end.error);
  }

  /** Whether the response had the trailer that says that the request never began. */
  get saysRefused(): boolean {
    return (this.#trailers?.get("drover-refused").length ?? 0) > 0;
  }

  /** Cancels it, as a caller that leaves. */
  leave(): void {
    this.#leave.abort();
  }
}
