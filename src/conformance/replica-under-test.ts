import { type Code, StatusError } from "../core/errors.ts";
import type { Json } from "../core/json.ts";
import { type Checklist, textOf } from "./checklist.ts";
import { HeldRequest } from "./held-request.ts";
import { broken, Ended, expectThat, unchecked } from "./outcome.ts";
import type { MethodCall, Talk } from "./talk.ts";
import type { Testbed } from "./testbed.ts";

/** Whoever checks a replica must be able to call it; what is not given cannot be checked. */
export interface Means {
  readonly method: MethodCall | undefined;
  readonly slowMethod: MethodCall | undefined;
  /** One that gives a stream of results. */
  readonly streamMethod: MethodCall | undefined;
  /** One that the program takes; undefined: none is known. */
  readonly userConfig: Json | undefined;
  /** One that it refuses. */
  readonly badUserConfig: Json | undefined;
  /** What it was started with. */
  readonly ongoingMax: number;
}

/** Why no method is called of a program that has none without a proto. */
export const noInvokeService = "the program does not serve drover.v1.InvokeService: none of its methods can be called without its proto";

/** A method that takes less cannot hold a place for as long as a check takes. */
const slowMinMs = 700;
/** A refusal comes at once; what is not refused by then was taken. */
const refusalMs = 400;
/** How long a request that was sent may take to be in work; and how long that is waited for where no report tells it. */
const begunMs = 1_000;
const blindMs = 200;
/** How long an end may take to show in a report. */
const idleMs = 1_000;

/** The replica that is checked, and what is known of it. */
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
  /** Why requests cannot be held in work; empty: they can. */
  whyNotHeld: string;
  /** How long the slow method took. */
  slowMs = 0;

  constructor(parts: Pick<ReplicaUnderTest, "talk" | "checklist" | "means" | "testbed" | "nowMs">) {
    this.talk = parts.talk;
    this.checklist = parts.checklist;
    this.means = parts.means;
    this.testbed = parts.testbed;
    this.nowMs = parts.nowMs;
    this.whyNotHeld = this.means.slowMethod === undefined ? "no --slow-method was given" : "";
  }

  /** Learns what it serves. */
  learnServices({ controllable, invocable }: Pick<ReplicaUnderTest, "controllable" | "invocable">): void {
    this.controllable = controllable;
    this.invocable = invocable;
    if (!invocable) this.whyNotHeld = noInvokeService;
  }

  /** Begins a request of the slow method. Ends the check where that is not possible. */
  hold(): HeldRequest {
    const { slowMethod } = this.means;
    if (this.whyNotHeld !== "" || slowMethod === undefined) throw new Ended(unchecked(this.whyNotHeld));
    return new HeldRequest(this.talk, slowMethod, this.nowMs);
  }

  /** Learns from the first slow request whether it can hold a place. */
  learnSlow(held: HeldRequest): void {
    const { error, tookMs } = held.end ?? { error: undefined, tookMs: 0 };
    this.slowMs = tookMs;
    if (error !== undefined) this.whyNotHeld = `the --slow-method fails: ${textOf(error)}`;
    else if (tookMs < slowMinMs) this.whyNotHeld = `the --slow-method took only ${tookMs} ms, and should take a second`;
  }

  /** Ends the check if a request that should be in work meanwhile is not. */
  requireInWork(held: readonly HeldRequest[]): void {
    const over = held.find(({ end }) => end !== undefined);
    if (over !== undefined) throw new Ended(unchecked(`a request of the --slow-method ended too soon: ${over.text}`));
  }

  /** Waits until so many requests that were sent are in work. */
  async begun(count: number): Promise<void> {
    if (this.checklist.held("load.ongoing")) await this.talk.loadUntil(({ ongoing }) => ongoing >= count, begunMs);
    else await this.testbed.sleep(blindMs);
  }

  /** Waits until nothing is in work, however long what was left takes that goes on without its caller. */
  async idle(): Promise<void> {
    await this.talk.loadUntil(({ ongoing }) => ongoing === 0, this.slowMs + idleMs);
  }

  /** Waits until the request has ended or is taken for certain. */
  async refusedOrTaken(held: HeldRequest): Promise<void> {
    const over = new AbortController();
    await Promise.race([held.ended, this.testbed.sleep(refusalMs, over.signal)]);
    over.abort();
  }

  /** The call must fail with one of the codes. `reasoned`: the refusal is Drover's, so that its reason is looked at as well. */
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
