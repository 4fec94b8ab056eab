import { invalid, refusal, StatusError } from "../core/errors.ts";
import { coldStartTrailer, deploymentHeader, refusedTrailer, replicaHeader } from "../core/metadata-keys.ts";
import { replicaLost } from "../core/traffic/replica-lost.ts";
import { messageTooLarge } from "../rpc/codec.ts";
import { isGrpc, notGrpc } from "../rpc/grpc-server.ts";
import { internalText } from "../rpc/status.ts";
import { parseTimeout } from "../rpc/timeout.ts";
import type { CallEnd, ObservedCall } from "./call-observer.ts";
import { type CallEvents, type CallParts, CallShield } from "./call-parts.ts";
import { arrived, type CallState, entering, isAtReplica, over } from "./call-state.ts";
import { CallTimer } from "./call-timer.ts";
import { notSentAgain, shuttingDown, unreadTooLong } from "./denials.ts";
import { destination, disagreement } from "./destination.ts";
import type { Admission } from "./door.ts";
import { faultOf, replicaOverwhelmed, requestFault, responseFault } from "./grpc/header-block.ts";
import { errorHeaders, errorTrailers, headerOf, methodHeader, modelOf, pathHeader, statusOf, timeoutHeader } from "./grpc/headers.ts";
import { Peek } from "./grpc/peek.ts";
import { KeptRequest } from "./kept-request.ts";
import { type OpeningRequest, openOn, openReplica } from "./open-replica.ts";
import type { GivenBack, Place } from "./place.ts";
import { type CallerSide, type Fate, type HeaderFields, http2Code, type ReplicaSide } from "./sides.ts";
import type { UnreadCall } from "./unread.ts";
import type { Visit } from "./visit.ts";

/** How long the first message of an Invoke without a deadline may take to name its deployment. */
const firstMessageMs = 60_000;

/**
 * One call on its way: from its caller by way of the dispatcher to a replica, and back. `CallState`
 * explains the states. What is decided about a call is decided here: deadline, cancellation,
 * sending again, trailers, counts. The call knows no connections, only the two sides.
 * Invariant: a request is sent a second time only if the replica that had it did nothing about it.
 */
export class Call implements CallEvents, ObservedCall, UnreadCall {
  readonly #parts: CallParts;
  /** Receives the events. What throws in one of them fails this call, and nothing else. */
  readonly #events: CallEvents;
  readonly #caller: CallerSide;
  readonly headers: HeaderFields;
  readonly path: string;
  readonly startedMs: number;
  #deployment: string | undefined;
  #state: CallState = arrived;
  #deadlineMs = Number.POSITIVE_INFINITY;
  readonly #timer: CallTimer;
  /** The request so far, until a replica answers. */
  readonly #kept: KeptRequest;
  /** All of the request has been read. */
  #requestEnded = false;
  /** The call is an Invoke: the replica has to serve `drover.v1.InvokeService`. */
  #invoke = false;
  /** How long the call waited for the first replica of its deployment; undefined: there was one. */
  #coldStartMs: number | undefined;

  constructor(parts: CallParts, caller: CallerSide) {
    this.#parts = parts;
    this.#caller = caller;
    this.headers = caller.headers;
    this.path = String(caller.headers[pathHeader]);
    this.startedMs = parts.clock.nowMs();
    this.#kept = new KeptRequest(parts.keptPool);
    parts.calls.add(this);
    this.#events = new CallShield(this, (error) => this.broke(error));
    this.#timer = new CallTimer(parts.clock, () => this.#events.expired());
    caller.attach(this.#events);
  }

  get deployment(): string | undefined {
    return this.#deployment;
  }

  /** Whether a replica has the request. */
  get atReplica(): boolean {
    return isAtReplica(this.#state);
  }

  /** Finds out where the call goes, and sends it on its way. Called once. */
  start(): void {
    if (this.headers[methodHeader] !== "POST") this.#refusePlainly(405, "gRPC calls are POST requests over HTTP/2\n");
    else if (!isGrpc(headerOf(this.headers, "content-type"))) {
      this.#refusePlainly(notGrpc.status, notGrpc.text);
    } else {
      const fault = faultOf(this.headers);
      const admission: Admission = fault === undefined ? this.#parts.door.admit(this) : { kind: "refused", error: requestFault(fault) };
      if (admission.kind === "refused") this.fail(admission.error);
      else {
        this.#parts.observer?.admitted(this);
        this.#route();
      }
    }
  }

  /** Ends the call with an error, wherever it is. */
  fail(error: StatusError): void {
    const { name } = this.#state;
    if (name === "over") return;
    this.#end({ kind: "failed", error });
    if (name === "answering" || name === "finishing") this.#endResponse(errorTrailers(error));
    else this.#caller.respond(errorHeaders(error), true);
  }

  /** Ends the call after an error that nobody expected. */
  broke(error: unknown): void {
    this.#parts.log.error({ err: error }, "a call could not be relayed; its caller gets INTERNAL");
    try {
      if (this.#state === over) this.#caller.reset(http2Code.internalError);
      else this.fail(refusal("INTERNAL", internalText));
    } catch {
      this.#caller.reset(http2Code.internalError);
    }
  }

  // On the way to a replica

  #route(): void {
    const timeoutMs = parseTimeout(headerOf(this.headers, timeoutHeader));
    if (Number.isNaN(timeoutMs)) {
      this.fail(invalid([{ field: timeoutHeader, description: "must be 1 to 8 digits and one of HMSmun" }]));
      return;
    }
    if (timeoutMs !== undefined) this.#deadlineMs = this.startedMs + timeoutMs;
    const named = headerOf(this.headers, deploymentHeader);
    const to = destination(this.path, named, this.#parts.routes);
    if (to.kind === "refused") this.fail(to.error);
    else if (to.kind === "deployment") this.#enter(to.deployment);
    else if (to.kind === "invoke") this.#readDeployment();
    else this.#sendToOwn();
  }

  #sendToOwn(): void {
    this.#timer.set(this.#deadlineMs);
    if (this.#state === over) return;
    const replica = openOn(this.#parts.ownConnection(), this.#opening, this.#parts.clock.nowMs());
    if (replica instanceof StatusError) this.fail(replica);
    else this.#send(replica, undefined, undefined);
  }

  #readDeployment(): void {
    this.#invoke = true;
    const peek = new Peek(headerOf(this.headers, "grpc-encoding"), (result) => this.#events.named(result));
    this.#setState({ name: "naming", peek });
    this.#timer.set(Math.min(this.#deadlineMs, this.startedMs + firstMessageMs));
    if (this.#state !== over) this.#caller.resume();
  }

  named(result: string | StatusError): void {
    const state = this.#state;
    if (state.name !== "naming") return;
    this.#caller.pause();
    const inHeaders = headerOf(this.headers, deploymentHeader);
    if (typeof result !== "string") this.fail(result);
    else if (inHeaders !== undefined && inHeaders !== result) this.fail(disagreement(result, inHeaders));
    else this.#enter(result, state.peek.messageBytes);
  }

  /** `messageBytes`: what is known of the length of the first message; 0: nothing. */
  #enter(deployment: string, messageBytes = 0): void {
    const { routes, dispatcher } = this.#parts;
    this.#deployment = deployment;
    const route = routes.get(deployment);
    if (route !== undefined && messageBytes > route.messageBytesMax) {
      this.fail(messageTooLarge(messageBytes, route.messageBytesMax)); // before any of it is sent
      return;
    }
    const timeoutMs = route?.requestTimeoutMs ?? 0;
    if (timeoutMs > 0) this.#deadlineMs = Math.min(this.#deadlineMs, this.startedMs + timeoutMs);
    this.#timer.set(this.#deadlineMs);
    if (this.#state === over) return;
    this.#setState(entering);
    const visit = dispatcher.enter(deployment, this.#events, modelOf(this.headers));
    if (this.#state === entering) {
      this.#setState({ name: "waiting", visit });
      this.#parts.observer?.queued(this);
    }
  }

  granted(visit: Visit, place: Place): void {
    if (visit.cold && this.#coldStartMs === undefined) this.#coldStartMs = this.#parts.clock.nowMs() - visit.enteredMs;
    const replica = openReplica(place, this.#opening, this.#parts);
    if (replica instanceof StatusError) {
      this.fail(replica);
      this.#parts.dispatcher.release(place);
    } else this.#send(replica, place, visit);
  }

  denied(error: StatusError): void {
    this.fail(error);
  }

  get #opening(): OpeningRequest {
    return { headers: this.headers, deadlineMs: this.#deadlineMs, invoke: this.#invoke, events: this.#events };
  }

  /** Sends what there is of the request. From then on, bytes go both ways as they come. */
  #send(replica: ReplicaSide, place: Place | undefined, visit: Visit | undefined): void {
    this.#setState({ name: "sent", replica, place, visit });
    if (place !== undefined) this.#parts.observer?.given(this, place.endpoint.replicaId);
    for (const chunk of this.#kept.chunks) replica.write(chunk);
    this.#kept.fit();
    if (this.#requestEnded) replica.end();
    else this.#caller.resume();
  }

  /** The replica did nothing about the request: another one gets it, if all of it is kept. */
  #giveBack(place: Place, visit: Visit | undefined, why: GivenBack): void {
    const { dispatcher, observer } = this.#parts;
    this.#setState({ name: "waiting", visit });
    this.#caller.pause();
    observer?.givenBack(this, place.endpoint.replicaId, why);
    const { lack } = this.#kept;
    dispatcher.giveBack(place, why, lack === undefined ? visit : undefined);
    if (lack !== undefined) this.fail(notSentAgain(why, place, lack));
    else if (this.#state.name === "waiting") observer?.queued(this);
  }

  // The caller's side

  requestData(chunk: Buffer): void {
    const state = this.#state;
    if (state.name === "over") return;
    this.#kept.add(chunk);
    if (state.name === "naming") state.peek.push(chunk);
    else if (isAtReplica(state)) {
      this.#kept.fit();
      if (!state.replica.write(chunk)) this.#caller.pause();
    }
  }

  requestEnd(): void {
    const state = this.#state;
    this.#requestEnded = true;
    if (state.name === "naming") state.peek.ended();
    else if (isAtReplica(state)) state.replica.end();
  }

  callerReady(): void {
    const state = this.#state;
    if (!isAtReplica(state)) return;
    this.#parts.unread.delete(this);
    state.replica.resume();
  }

  callerGone(): void {
    if (this.#state.name !== "over") this.#end({ kind: "left" });
  }

  // The replica's side

  response(headers: HeaderFields, whole: boolean): void {
    const state = this.#state;
    if (state.name !== "sent") return;
    const { replica, place, visit } = state;
    const refused = headers[refusedTrailer];
    if (whole && refused !== undefined && place !== undefined) {
      this.#giveBack(place, visit, refused === "draining" ? "away" : "busy");
      return;
    }
    this.#kept.drop();
    if (place !== undefined) this.#parts.dispatcher.accepted(place);
    const fault = faultOf(headers);
    if (fault !== undefined) {
      this.fail(responseFault(fault, place));
      return;
    }
    if (place !== undefined) headers[replicaHeader] = place.endpoint.replicaId;
    this.#caller.respond(headers, whole);
    this.#setState({ name: "answering", replica, place });
    this.#parts.observer?.answered(this);
    if (whole) this.#end({ kind: "answered", status: statusOf(headers) });
    else replica.resume();
  }

  responseData(chunk: Buffer): void {
    const state = this.#state;
    if (!isAtReplica(state) || this.#caller.write(chunk)) return;
    state.replica.pause();
    this.#parts.unread.add(this);
  }

  giveUp(): void {
    if (this.#state === over) return;
    this.#end({ kind: "failed", error: unreadTooLong() });
    this.#caller.reset(http2Code.enhanceYourCalm); // a status would wait behind what is not read
  }

  responseTrailers(trailers: HeaderFields): void {
    const state = this.#state;
    if (state.name !== "answering") return;
    const { replica, place } = state;
    this.#setState({ name: "finishing", replica, place, trailers });
    this.#release(place, statusOf(trailers));
  }

  responseEnd(): void {
    const state = this.#state;
    if (state.name !== "answering" && state.name !== "finishing") return;
    const trailers = state.name === "finishing" ? state.trailers : {};
    const fault = faultOf(trailers);
    if (fault !== undefined) {
      this.fail(responseFault(fault, state.place));
      return;
    }
    this.#end({ kind: "answered", status: statusOf(trailers) });
    this.#endResponse(trailers);
  }

  replicaReady(): void {
    if (isAtReplica(this.#state)) this.#caller.resume();
  }

  replicaGone(fate: Fate, code: number): void {
    const state = this.#state;
    if (!isAtReplica(state)) return;
    const { place } = state;
    if (place === undefined) this.fail(shuttingDown());
    else if (state.name === "sent" && fate === "unreached") this.#giveBack(place, state.visit, "away");
    else if (state.name === "sent" && fate === "refused") this.#giveBack(place, state.visit, "busy");
    else if (state.name === "sent" && code === http2Code.enhanceYourCalm) this.fail(replicaOverwhelmed(place));
    else if (fate === "reset") {
      this.#end({ kind: "reset", code });
      this.#caller.reset(code);
    } else this.fail(replicaLost(place.deployment, place.endpoint.replicaId));
  }

  // The end

  /**
   * The one place that changes the state. What the former state held and `next` does not is given
   * up here; places by `#release`.
   */
  #setState(next: CallState): void {
    const before = this.#state;
    this.#state = next;
    if (next.name === "over") {
      this.#timer.stop();
      this.#kept.drop();
      this.#parts.unread.delete(this);
      this.#parts.calls.delete(this);
    }
    if (before.name === "naming") before.peek.end();
    else if (before.name === "waiting" && next.name === "over" && before.visit !== undefined) this.#parts.dispatcher.leave(before.visit);
    else if (isAtReplica(before) && !isAtReplica(next)) before.replica.letGo();
  }

  #end(end: CallEnd): void {
    const before = this.#state;
    this.#setState(over);
    if (before.name === "sent" || before.name === "answering") {
      this.#release(before.place, end.kind === "answered" ? end.status : undefined);
    }
    this.#parts.observer?.ended(this, end);
  }

  /**
   * The replica has done what it does about the request: the place is for the next. `status`
   * undefined: it did not end it.
   */
  #release(place: Place | undefined, status: number | undefined): void {
    if (place === undefined) return;
    if (status === 0) place.completed++;
    else place.failed++;
    this.#parts.dispatcher.release(place);
  }

  #endResponse(trailers: HeaderFields): void {
    if (this.#coldStartMs !== undefined) trailers[coldStartTrailer] = String(this.#coldStartMs);
    this.#caller.end(trailers);
  }

  #refusePlainly(status: number, text: string): void {
    this.#setState(over);
    this.#caller.respondPlainly(status, text);
  }

  expired(): void {
    this.fail(
      isAtReplica(this.#state)
        ? refusal("DEADLINE", "the deadline passed while the request was in work")
        : refusal("QUEUE_DEADLINE", "the deadline passed while the request waited for a replica"),
    );
  }
}
