import { type ClientHttp2Stream, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Clock } from "../clock/clock.ts";
import { invalid, refusal, type StatusError } from "../core/errors.ts";
import type { Log } from "../log/log.ts";
import { internalText } from "../rpc/status.ts";
import { retryMaxMs, shuttingDown } from "./denials.ts";
import { destination, disagreement } from "./destination.ts";
import type { Dispatcher, Visit, Waiter } from "./dispatcher.ts";
import {
  coldStartTrailer,
  deploymentHeader,
  errorHeaders,
  errorTrailers,
  headerOf,
  headersOf,
  isGrpc,
  refusedHeader,
  replicaHeader,
  timeoutHeader,
} from "./grpc/headers.ts";
import { Peek } from "./grpc/peek.ts";
import { formatTimeout, parseTimeout } from "./grpc/timeout.ts";
import { type KeptPool, KeptRequest } from "./kept-request.ts";
import type { GivenBack, Place } from "./place.ts";
import type { Routes } from "./routes.ts";
import type { Connection } from "./wire/connection.ts";

/** How long the first message of an invoke without a deadline may take to name its deployment. */
const firstMessageMs = 60_000;
/** The longest time a timer can be set for. */
const timerMaxMs = 2 ** 31 - 1;

/** What all relays of a gateway share. */
export interface RelayHouse {
  readonly routes: Routes;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly log: Log;
  readonly keptPool: KeptPool;
  /** The connection to a replica. */
  connectionTo(place: Place): Connection;
  /** The connection to the gateway's own services. */
  ownConnection(): Connection;
}

/**
 * One call on its way through: a stream of the caller's connection, and of a replica's, bytes passed as they come.
 * Invariant: a request is sent a second time only if the replica that had it did nothing about it.
 */
export class Relay implements Waiter {
  readonly #house: RelayHouse;
  readonly #down: ServerHttp2Stream;
  readonly #headers: OutgoingHttpHeaders;
  readonly #startMs: number;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #stopTimer: (() => void) | undefined;
  #peek: Peek | undefined;
  #visit: Visit | undefined;
  /** The replica that has, or had, the request. */
  #place: Place | undefined;
  /** The place is still taken. */
  #holding = false;
  /** The replica ended it with OK. */
  #ok = false;
  #connection: Connection | undefined;
  #up: ClientHttp2Stream | undefined;
  /** The request so far, until the replica answers. */
  readonly #kept: KeptRequest;
  #reading = false;
  #requestEnded = false;
  /** The caller has the response's headers. */
  #answered = false;
  /** The replica has sent the last of its response. */
  #responded = false;
  #trailers: OutgoingHttpHeaders | undefined;
  /** How long it waited for a first replica. */
  #coldStartMs: number | undefined;
  #over = false;

  constructor(house: RelayHouse, down: ServerHttp2Stream, rawHeaders: readonly string[]) {
    this.#house = house;
    this.#down = down;
    this.#headers = headersOf(rawHeaders);
    this.#startMs = house.clock.nowMs();
    this.#kept = new KeptRequest(house.keptPool);
    down.on("error", () => {}); // "close" comes too
    down.once("aborted", () => this.#left());
    down.once("close", () => this.#left());
  }

  /** Begins: finds out where the call goes, and brings it on its way. */
  start(): void {
    const path = String(this.#headers[constants.HTTP2_HEADER_PATH]);
    const timeoutMs = parseTimeout(headerOf(this.#headers, timeoutHeader));
    if (timeoutMs !== undefined) this.#deadlineMs = this.#startMs + timeoutMs;
    if (this.#headers[constants.HTTP2_HEADER_METHOD] !== "POST") {
      this.#answerPlainly(405, "gRPC calls are POST requests over HTTP/2\n");
    } else if (!isGrpc(headerOf(this.#headers, "content-type"))) {
      this.#answerPlainly(415, "this is a gRPC server: content-type application/grpc\n");
    } else if (Number.isNaN(timeoutMs)) {
      this.fail(invalid([{ field: timeoutHeader, description: "must be 1 to 8 digits and one of HMSmun" }]));
    } else this.#route(path);
  }

  #route(path: string): void {
    const named = headerOf(this.#headers, deploymentHeader);
    const to = destination(path, named, this.#house.routes);
    if (to.kind === "refused") this.fail(to.error);
    else if (to.kind === "deployment") this.#enter(to.deployment);
    else if (to.kind === "invoke") this.#readDeployment(to.path, named);
    else {
      this.#setTimer(this.#deadlineMs);
      this.#send(this.#house.ownConnection());
    }
  }

  /** Ends the call with an error, wherever it is. */
  fail(error: StatusError): void {
    if (this.#over) return;
    this.#end();
    const down = this.#down;
    if (down.destroyed || down.closed) return;
    if (this.#answered) {
      this.#trailers = errorTrailers(error);
      down.end();
    } else {
      down.respond(errorHeaders(error), { endStream: true, ...noDate });
      this.#stopRequest();
    }
  }

  granted(visit: Visit, place: Place): void {
    this.#visit = visit;
    this.#place = place;
    this.#holding = true;
    if (visit.cold && this.#coldStartMs === undefined) this.#coldStartMs = this.#house.clock.nowMs() - visit.enteredMs;
    if (this.#peek !== undefined && !place.endpoint.invocable) this.fail(notInvocable(place.deployment));
    else {
      try {
        this.#send(this.#house.connectionTo(place));
      } catch (error) {
        this.#house.log.error({ replica: place.endpoint.replicaId, err: error }, "a request could not be sent");
        this.fail(refusal("INTERNAL", internalText));
      }
    }
  }

  denied(error: StatusError): void {
    this.fail(error);
  }

  #readDeployment(path: string, named: string | undefined): void {
    this.#headers[constants.HTTP2_HEADER_PATH] = path;
    this.#setTimer(Math.min(this.#deadlineMs, this.#startMs + firstMessageMs));
    this.#peek = new Peek(headerOf(this.#headers, "grpc-encoding"), (result) => {
      if (this.#over) return;
      this.#down.pause();
      if (typeof result !== "string") this.fail(result);
      else if (named !== undefined && named !== result) this.fail(disagreement(result, named));
      else this.#enter(result);
    });
    this.#read();
  }

  #enter(deployment: string): void {
    const timeoutMs = this.#house.routes.get(deployment)?.requestTimeoutMs ?? 0;
    if (timeoutMs > 0) this.#deadlineMs = Math.min(this.#deadlineMs, this.#startMs + timeoutMs);
    this.#setTimer(this.#deadlineMs);
    if (this.#over) return;
    this.#visit = this.#house.dispatcher.enter(deployment, this);
  }

  #setTimer(atMs: number): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const ms = atMs - this.#house.clock.nowMs();
    if (ms <= 0) this.#expire();
    else if (ms <= timerMaxMs) this.#stopTimer = this.#house.clock.after(ms, () => this.#expire());
  }

  #expire(): void {
    this.fail(
      this.#up === undefined
        ? refusal("QUEUE_DEADLINE", "the deadline passed while the request waited for a replica")
        : refusal("DEADLINE", "the deadline passed while the request was in work"),
    );
  }

  /** Sends what there is of the request, and passes on both ways from then on. */
  #send(connection: Connection): void {
    let up: ClientHttp2Stream;
    if (this.#deadlineMs !== Number.POSITIVE_INFINITY) {
      this.#headers[timeoutHeader] = formatTimeout(this.#deadlineMs - this.#house.clock.nowMs());
    }
    try {
      up = connection.open(this.#headers);
    } catch (error) {
      this.fail(invalid([{ field: "", description: `headers: ${error instanceof Error ? error.message : ""}` }]));
      return;
    }
    this.#connection = connection;
    this.#up = up;
    up.once("response", (headers: IncomingHttpHeaders, flags: number, raw?: string[]) => this.#onResponse(up, headers, flags, raw ?? []));
    up.once("trailers", (_headers: IncomingHttpHeaders, _flags: number, raw?: string[]) => this.#onTrailers(up, raw ?? []));
    up.once("close", () => this.#onUpClose(up));
    up.on("error", () => {}); // "close" comes too
    up.on("drain", () => {
      if (this.#up === up) this.#down.resume();
    });
    for (const chunk of this.#kept.chunks) up.write(chunk);
    this.#kept.fit();
    if (this.#requestEnded) up.end();
    else if (this.#reading) this.#down.resume();
    else this.#read();
  }

  #read(): void {
    this.#reading = true;
    const down = this.#down;
    down.on("data", (chunk: Buffer) => this.#onRequestData(chunk));
    down.once("end", () => {
      if (this.#over || down.aborted) return;
      this.#requestEnded = true;
      if (this.#up === undefined) this.#peek?.ended();
      else this.#up.end();
    });
    down.resume();
  }

  #onRequestData(chunk: Buffer): void {
    if (this.#over) return;
    this.#kept.add(chunk);
    const up = this.#up;
    if (up === undefined) this.#peek?.push(chunk);
    else {
      this.#kept.fit();
      if (!up.write(chunk)) this.#down.pause();
    }
  }

  #onResponse(up: ClientHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw: readonly string[]): void {
    if (this.#over || this.#up !== up) return;
    const whole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    this.#responded = whole;
    const refused = headers[refusedHeader];
    if (whole && refused !== undefined && this.#holding) this.#giveBack(refused === "draining" ? "away" : "busy");
    else this.#answer(up, raw, whole);
  }

  /** Passes on the response's headers, and what follows as it comes. */
  #answer(up: ClientHttp2Stream, raw: readonly string[], whole: boolean): void {
    this.#kept.drop();
    const answer = headersOf(raw);
    if (whole) this.#ok = answer["grpc-status"] === "0";
    const down = this.#down;
    if (this.#place !== undefined) {
      answer[replicaHeader] = this.#place.endpoint.replicaId;
      this.#house.dispatcher.accepted(this.#place);
    }
    this.#answered = true;
    if (whole) {
      down.respond(answer, { endStream: true, ...noDate });
      this.#end();
      this.#stopRequest();
      return;
    }
    down.once("wantTrailers", () => {
      down.sendTrailers({ ...this.#trailers, ...(this.#coldStartMs !== undefined && { [coldStartTrailer]: String(this.#coldStartMs) }) });
      if (!down.readableEnded) setImmediate(() => this.#stopRequest()); // the trailers go out at the end of this turn
    });
    down.respond(answer, { waitForTrailers: true, ...noDate });
    down.on("drain", () => up.resume());
    up.on("data", (chunk: Buffer) => {
      if (!this.#over && !down.write(chunk)) up.pause();
    });
    up.once("end", () => this.#onUpEnd(up));
  }

  #onTrailers(up: ClientHttp2Stream, raw: readonly string[]): void {
    if (this.#over || this.#up !== up) return;
    this.#trailers = headersOf(raw);
    this.#ok = this.#trailers["grpc-status"] === "0";
    this.#responded = true;
    this.#free(); // the replica is done with it; what it sent may still be on its way
  }

  #onUpEnd(up: ClientHttp2Stream): void {
    // node:http2 ends a stream that was cut off, too: then its "close" tells.
    const cutOff = !this.#responded && ((up.rstCode ?? 0) !== 0 || this.#connection?.broken);
    if (this.#over || cutOff) return;
    this.#responded = true;
    this.#end();
    this.#down.end();
  }

  #onUpClose(up: ClientHttp2Stream): void {
    if (this.#over || this.#up !== up || this.#connection === undefined) return;
    const fate = this.#connection.fate(up);
    if (this.#place === undefined) this.fail(shuttingDown());
    else if (!this.#answered && fate === "unreached") this.#giveBack("away");
    else if (!this.#answered && fate === "refused") this.#giveBack("busy");
    else if (fate === "reset") {
      this.#end();
      this.#down.close(up.rstCode || constants.NGHTTP2_INTERNAL_ERROR);
    } else this.fail(lost(this.#place));
  }

  /** The replica did nothing about the request: to another with it, if all of it is still here. */
  #giveBack(why: GivenBack): void {
    const { dispatcher } = this.#house;
    const place = this.#place as Place;
    this.#giveUp();
    this.#holding = false;
    this.#place = undefined;
    this.#up = undefined;
    this.#responded = false;
    this.#down.pause();
    const { lack } = this.#kept;
    dispatcher.giveBack(place, why, lack === undefined ? this.#visit : undefined);
    if (lack !== undefined) this.fail(notSentAgain(why, place, lack));
  }

  /** The caller went away, or all has been sent. */
  #left(): void {
    if (!this.#over) this.#end();
  }

  /** Whatever comes now, nothing more is passed on: the place, the timer and the replica's stream are given up. */
  #end(): void {
    this.#over = true;
    this.#stopTimer?.();
    this.#kept.drop();
    this.#peek?.end();
    if (this.#visit !== undefined) this.#house.dispatcher.leave(this.#visit);
    this.#giveUp();
    this.#free();
  }

  /** Lets go of the replica's stream. */
  #giveUp(): void {
    const up = this.#up;
    if (up === undefined || up.closed) return;
    // Where both sides have ended, it closes by itself as soon as its end has been read.
    if (this.#responded && this.#requestEnded) up.resume();
    else this.#connection?.abandon(up, this.#responded);
  }

  #free(): void {
    if (!this.#holding) return;
    this.#holding = false;
    const place = this.#place as Place;
    if (this.#ok) place.completed++;
    else if (this.#up !== undefined) place.failed++;
    this.#house.dispatcher.release(place);
  }

  /** The response is complete: what the caller may still be sending is for nobody. */
  #stopRequest(): void {
    const down = this.#down;
    if (!down.readableEnded && !down.endAfterHeaders && !down.closed) down.close(constants.NGHTTP2_NO_ERROR);
  }

  #answerPlainly(status: number, text: string): void {
    this.#end();
    this.#down.respond({ [constants.HTTP2_HEADER_STATUS]: status, "content-type": "text/plain; charset=utf-8" });
    this.#down.end(text, () => this.#stopRequest());
  }
}

// A replica's own date, or none, is passed on; node:http2 knows the option, its types do not.
const noDate = { sendDate: false };

function notInvocable(deployment: string): StatusError {
  const text = `the program of "${deployment}" serves only its own gRPC services: call them, with the metadata key drover-deployment`;
  return refusal("METHOD_NOT_FOUND", text, { metadata: { deployment } });
}

/** It had no effect, but is not here any more. */
function notSentAgain(why: GivenBack, { deployment, endpoint: { replicaId } }: Place, lack: string): StatusError {
  const trouble = why === "busy" ? "has no room" : "takes no requests or cannot be reached";
  const text = `replica ${replicaId} ${trouble}, and the request cannot be sent to another (${lack}): it had no effect, send it again`;
  return refusal(why === "busy" ? "REPLICA_BUSY" : "NO_REPLICA", text, { retryAfterMs: retryMaxMs, metadata: { deployment } });
}

function lost({ deployment, endpoint: { replicaId } }: Place): StatusError {
  return refusal("REPLICA_LOST", `replica ${replicaId} was lost while it worked on the request`, {
    retryAfterMs: retryMaxMs,
    metadata: { deployment, replica: replicaId },
  });
}
