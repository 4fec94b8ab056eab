// Goal: nothing that a replica or a caller sends hurts anything but its own calls. Method: peers that
// make arbitrary moves of HTTP/2 stand on either side of a real gateway, beside a neighbour that
// behaves. fast-check prints the seed and the moves of what fails.

import { once } from "node:events";
import type { ClientHttp2Stream } from "node:http2";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Clock } from "../../src/clock/clock.ts";
import { realClock } from "../../src/clock/real.ts";
import type { CallObserver, ObservedCall } from "../../src/gateway/call-observer.ts";
import { anyMetadataReceived, anyMove, fieldsOfMetadata, type Move } from "../kit/any-http2.ts";
import { fuzzSeed } from "../kit/fuzz-seed.ts";
import type { RawFields } from "../kit/http2-frames.ts";
import { type MoveOnStream, playAt, rawServer, withoutUncaught } from "../kit/raw-peers.ts";
import { until } from "../kit/until.ts";
import { answer, endpoint, frame, type House, house, type RawReplica, rawReplica } from "./harness.ts";

const runs = { seed: fuzzSeed, numRuns: 150, timeout: 20_000, interruptAfterTimeLimit: 60_000 };
/** What the gateway does about a silent peer after a minute, it does here after 2 s. */
const hurried: Clock = { ...realClock, after: (ms, run) => realClock.after(Math.min(ms, 2_000), run) };
const path = "/test.Any/Do";
const responseFields: RawFields = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
const closed = (stream: ClientHttp2Stream) => new Promise<void>((resolve) => stream.once("close", resolve));

/** Counts the ends of each call. */
class Ends implements CallObserver {
  readonly #ends = new Map<ObservedCall, number>();

  admitted(call: ObservedCall): void {
    this.#ends.set(call, 0);
  }

  queued(): void {}

  given(): void {}

  givenBack(): void {}

  answered(): void {}

  ended(call: ObservedCall): void {
    this.#ends.set(call, (this.#ends.get(call) ?? 0) + 1);
  }

  /** How often the calls ended that did not end once. */
  get notOnce(): readonly number[] {
    return [...this.#ends.values()].filter((many) => many !== 1);
  }
}

/** A gateway with a neighbour: a caller with a stream to a replica, which sends back what it gets. */
class Street implements AsyncDisposable {
  readonly house: House;
  readonly ends: Ends;
  readonly #replica: RawReplica;
  readonly #stream: ClientHttp2Stream;

  private constructor(house_: House, ends: Ends, replica: RawReplica, stream: ClientHttp2Stream) {
    this.house = house_;
    this.ends = ends;
    this.#replica = replica;
    this.#stream = stream;
  }

  static async open(): Promise<Street> {
    const ends = new Ends();
    const opened = await house(hurried, { observer: ends });
    const replica = await rawReplica((stream, headers) => {
      if (headers["x-name"] !== "neighbour") {
        stream.resume().once("end", () => answer(stream));
        return;
      }
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.on("data", (chunk) => stream.write(chunk));
    });
    opened.routes.set("street", [endpoint("street-r0", replica.address)], { services: ["test.Street"], maxOngoingRequests: 1_000 });
    const stream = opened.caller.open("/test.Street/Talk", { "x-name": "neighbour" });
    const street = new Street(opened, ends, replica, stream);
    await street.talk();
    return street;
  }

  /** The neighbour's stream still works. */
  async talk(): Promise<void> {
    const back = once(this.#stream, "data");
    this.#stream.write(frame("how are you?"));
    expect(await back).toEqual([frame("how are you?")]);
  }

  /** All calls but the neighbour's have ended once, and hold no place. */
  async rests(replicaId: string, ongoing: number): Promise<void> {
    await this.talk();
    await until(() => this.ends.notOnce.length <= 1 && this.house.gateway.ongoing(replicaId) === ongoing);
    expect(this.ends.notOnce).toEqual([0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.house[Symbol.asyncDispose]();
    await this.#replica[Symbol.asyncDispose]();
  }
}

test("whatever a replica sends, its call ends once, and others go on", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyMove(responseFields), { maxLength: 6 }), async (moves) => {
      await withoutUncaught(async () => {
        await using street = await Street.open();
        await using replica = await rawServer(() => moves);
        street.house.routes.set("any", [endpoint("any-r0", replica.address)], { services: ["test.Any"] });
        const call = street.house.caller.open(path, { "grpc-timeout": "100m" });
        let responded = false;
        call.once("response", () => {
          responded = true;
        });
        call.resume().end(frame("hello"));
        await closed(call);
        expect(responded || call.rstCode !== 0).toBe(true);
        await street.rests("any-r0", 0);
      });
    }),
    runs,
  );
});

test("whatever a caller sends, its calls end once, and others go on", async () => {
  const request: RawFields = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/test.Street/Do"],
    [":authority", "street"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
  ];
  const stream = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(1, 3, 5) }, { weight: 1, arbitrary: fc.constantFrom(0, 2, 0x7fffffff) });
  const moves = fc.array(fc.record({ stream, move: anyMove(request) }), { maxLength: 10 });
  // node:http2 reads no more of such a connection, and does not see its end.
  const givenUp: MoveOnStream[] = [
    { stream: 3, move: { kind: "headers", fields: request, end: false, pieces: 1 } },
    { stream: 3, move: { kind: "goaway", lastStream: 0, code: 0 } },
    { stream: 3, move: { kind: "turn" } },
    { stream: 5, move: { kind: "data", bytes: frame("of no call"), end: false } },
  ];
  await fc.assert(
    fc.asyncProperty(moves, async (all) => {
      await withoutUncaught(async () => {
        await using street = await Street.open();
        expect(await playAt(street.house.address, all)).toEqual([]);
        await street.rests("street-r0", 1);
      });
    }),
    { ...runs, examples: [[givenUp]] },
  );
});

test("whatever the metadata of a call, other calls on its connections go on", async () => {
  await fc.assert(
    fc.asyncProperty(anyMetadataReceived, anyMetadataReceived, anyMetadataReceived, async (sent, headers, trailers) => {
      await withoutUncaught(async () => {
        await using street = await Street.open();
        const ok: RawFields = [...fieldsOfMetadata(trailers), ["grpc-status", "0"]];
        const parks: Move[] = [{ kind: "headers", fields: responseFields, end: false, pieces: 1 }];
        const answers: Move[] = [
          { kind: "headers", fields: [...responseFields, ...fieldsOfMetadata(headers)], end: false, pieces: 1 },
          { kind: "data", bytes: frame("ok"), end: false },
          { kind: "headers", fields: ok, end: true, pieces: 1 },
        ];
        await using replica = await rawServer((stream) => (stream === 1 ? parks : answers));
        street.house.routes.set("any", [endpoint("any-r0", replica.address)], { services: ["test.Any"] });
        const parked = street.house.caller.open(path);
        parked.end(frame("hello"));
        await once(parked, "response");
        const request: Record<string, string[]> = {};
        for (const [name, value] of fieldsOfMetadata(sent)) request[`x-${name}`] = [...(request[`x-${name}`] ?? []), value];
        const call = street.house.caller.open(path, request);
        call.resume().end(frame("hello"));
        await closed(call);
        expect(parked.destroyed).toBe(false);
        parked.close();
        await closed(parked);
        await street.rests("any-r0", 0);
      });
    }),
    runs,
  );
});
