// Goal: what the door refuses goes no further; what it admits goes its way.
// Method: a door that asks for a token, in a gateway on real connections.
import { describe, expect, test } from "vitest";
import { realClock } from "../../src/clock/real.ts";
import { refusal } from "../../src/core/errors.ts";
import { type Arrival, admitted, type Door } from "../../src/gateway/door.ts";
import { answer, endpoint, frame, house, rawReplica } from "./harness.ts";

const path = "/test.Echo/Any";
const error = refusal("TOKEN_MISMATCH", "no token");

/** Admits calls with the right token, and keeps what it was asked. */
class TokenDoor implements Door {
  readonly asked: string[] = [];

  admit({ path, headers }: Arrival) {
    this.asked.push(path);
    return headers.authorization === "Bearer right" ? admitted : ({ kind: "refused", error } as const);
  }
}

describe("door", () => {
  test("a refused call gets the door's error, and is neither routed nor queued nor given", async () => {
    const door = new TokenDoor();
    await using at = await house(realClock, { door });
    await using replica = await rawReplica((stream) => answer(stream));
    let lookups = 0;
    const { get, serving } = at.routes;
    at.routes.set("d", [endpoint("r", replica.address)]);
    at.routes.get = (deployment) => {
      lookups++;
      return get.call(at.routes, deployment);
    };
    at.routes.serving = (service) => {
      lookups++;
      return serving.call(at.routes, service);
    };
    const metadata = { "drover-deployment": "d" };
    expect(await at.caller.call(path, { ...metadata, authorization: "Bearer wrong" })).toMatchObject({
      status: 7,
      reason: "TOKEN_MISMATCH",
    });
    expect(await at.caller.call(path)).toMatchObject({ status: 7, reason: "TOKEN_MISMATCH" });
    expect([lookups, replica.calls, at.gateway.queued("d")]).toEqual([0, 0, 0]);
    expect((await at.caller.call(path, { ...metadata, authorization: "Bearer right" })).status).toBe(0);
    expect([lookups > 0, replica.calls]).toEqual([true, 1]);
  });

  test("an Invoke is refused before its message is read", async () => {
    await using at = await house(realClock, { door: new TokenDoor() });
    const stream = at.caller.open("/drover.v1.InvokeService/Invoke");
    stream.write(frame("the first message never ends").subarray(0, 10));
    const [headers] = await new Promise<[Record<string, unknown>]>((resolve) =>
      stream.once("response", (...given) => resolve(given as never)),
    );
    expect(headers["grpc-status"]).toBe("7");
    stream.destroy();
  });

  test("calls to the gateway's own services pass it too, and what is not gRPC does not get that far", async () => {
    const door = new TokenDoor();
    await using at = await house(realClock, { door });
    const health = "/grpc.health.v1.Health/Check";
    expect((await at.caller.call(health)).status).toBe(7);
    expect((await at.caller.call(health, { authorization: "Bearer right" }, frame(""))).status).toBe(0);
    expect((await at.caller.call(path, { "content-type": "application/json" })).headers[":status"]).toBe(415);
    expect(door.asked).toEqual([health, health]);
  });
});
