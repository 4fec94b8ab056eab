import { type Code, StatusError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { type Checklist, textOf } from "./checklist.ts";
import { HeldRequest } from "./held-request.ts";
import { broken, Ended, expectThat, unchecked } from "./outcome.ts";
import type { MethodCall, Talk } from "./talk.ts";
import type { Testbed } from "./testbed.ts";

/**
 * Methods and configs to check a replica with. Sentences that need what is not given are not
 * checked.
 */
export interface Means {
  readonly method: MethodCall | undefined;
  readonly slowMethod: MethodCall | undefined;
  /** A method that returns a stream of results. */
  readonly streamMethod: MethodCall | undefined;
  /** A config that the program takes. */
  readonly userConfig: Json | undefined;
  /** A config that the program refuses. */
  readonly badUserConfig: Json | undefined;
  /** The `max_ongoing_requests` that it was started with. */
  readonly ongoingMax: number;
}

/** Why no method is called of a program without InvokeService. */
export const noInvokeService = "the program does not serve drover.v1.InvokeService: none of its methods can be called without its proto";

/** Why nothing is held without a slow method. */
export const noSlowMethod = "no --slow-method was given";

/** A method that takes less time cannot hold a place for a whole check. */
const slowMinMs = 700;
/** A refusal comes at once: a request that is not refused within this was taken. */
const refusalMs = 400;
/**
 * How long a request may take to be in work; and how long to wait for it where no report shows it.
 */
const begunMs = 1_000;
const blindMs = 200;
/** How long the end of a request may take to show in a report. */
const idleMs = 1_000;

/** The replica that is checked, and what is known about it. */
export class ReplicaUnderTest {
  readonly talk: Talk;
  readonly checklist: Checklist;
  readonly means: Means;
  readonly testbed: Pick<Testbed, "sleep">;
  readonly nowMs: () => number;
  /** Whether it serves `drover.replica.v1.ReplicaService`. */
  controllable = false;
  /** Whether it serves `drover.v1.InvokeService`, so that methods can be called. */
  invocable = false;
  /** Why requests cannot be held in work; undefined: they can. */
  whyNotHeld: string | undefined;
  /** How long the slow method took. */
  slowMs = 0;

  constructor(parts: Pick<ReplicaUnderTest, "talk" | "checklist" | "means" | "testbed" | "nowMs">) {
    this.talk = parts.talk;
    this.checklist = parts.checklist;
    this.means = parts.means;
    this.testbed = parts.testbed;
    this.nowMs = parts.nowMs;
    this.whyNotHeld = this.means.slowMethod === undefined ? noSlowMethod : undefined;
  }

  /** Records what it serves. */
  learnServices({ controllable, invocable }: Pick<ReplicaUnderTest, "controllable" | "invocable">): void {
    this.controllable = controllable;
    this.invocable = invocable;
    if (!invocable) this.whyNotHeld = noInvokeService;
  }

  /** Begins a request to the slow method. Ends the check where that is not possible. */
  hold(): HeldRequest {
    const { slowMethod } = this.means;
    if (this.whyNotHeld !== undefined || slowMethod === undefined) throw new Ended(unchecked(this.whyNotHeld ?? noSlowMethod));
    return new HeldRequest(this.talk, slowMethod, this.nowMs);
  }

  /** Records, by the first request to the slow method, whether it can hold a place. */
  learnSlow(held: HeldRequest): void {
    const { error, tookMs } = held.end ?? { error: undefined, tookMs: 0 };
    this.slowMs = tookMs;
    if (error !== undefined) this.whyNotHeld = `the --slow-method fails: ${textOf(error)}`;
    else if (tookMs < slowMinMs) this.whyNotHeld = `the --slow-method took only ${tookMs} ms, and should take a second`;
  }

  /** Ends the check if a request is not in work that should be. */
  requireInWork(held: readonly HeldRequest[]): void {
    const over = held.find(({ end }) => end !== undefined);
    if (over !== undefined) throw new Ended(unchecked(`a request of the --slow-method ended too soon: ${over.text}`));
  }

  /** Waits until this many requests are in work. */
  async begun(count: number): Promise<void> {
    if (this.checklist.held("load.ongoing")) await this.talk.loadUntil(({ ongoing }) => ongoing >= count, begunMs);
    else await this.testbed.sleep(blindMs);
  }

  /** Waits until nothing is in work, also where a request goes on after its caller left. */
  async idle(): Promise<void> {
    await this.talk.loadUntil(({ ongoing }) => ongoing === 0, this.slowMs + idleMs);
  }

  /** Waits until the request has ended, or was certainly taken. */
  async refusedOrTaken(held: HeldRequest): Promise<void> {
    const over = new AbortController();
    await Promise.race([held.ended, this.testbed.sleep(refusalMs, over.signal)]);
    over.abort();
  }

  /**
   * Ends the check unless the call fails with one of the codes. `reasoned`: the refusal should
   * carry one of Drover's reasons.
   */
  async refused(what: string, call: Promise<unknown>, codes: readonly Code[], reasoned = true): Promise<StatusError> {
    const expected = `${what}: ${codes.join(" or ")}`;
    let error: unknown;
    try {
      await call;
    } catch (cause) {
      error = cause;
    }
    if (error === undefined) throw new Ended(broken(expected, "OK"));
    if (!(error instanceof StatusError)) throw error;
    expectThat(codes.includes(error.code), expected, textOf(error));
    if (reasoned) this.checklist.refusals.push({ what, hasReason: error.reason !== undefined });
    return error;
  }
}
