import { expect, test } from "vitest";
import { until } from "../kit/until.ts";
import { answered, endpoint, frame, house, rawReplica } from "./harness.ts";

test("requests at a replica that left the routes go on, and are lost at once when it is given up", async () => {
  await using replica = await rawReplica(() => {});
  await using gate = await house();
  gate.routes.set("app", [endpoint("r1", replica.address)]);
  const stream = gate.caller.open("/test.Echo/Call");
  const answer = answered(stream);
  stream.end(frame("hello"));
  await until(() => replica.calls === 1);
  gate.routes.set("app", []);
  expect(gate.gateway.ongoing("r1")).toBe(1);
  gate.routes.set("app", [], { givenUp: ["r1"] });
  expect(await answer).toMatchObject({ status: 14, reason: "REPLICA_LOST" });
  expect(gate.gateway.ongoing("r1")).toBe(0);
});
