import { randomBytes } from "node:crypto";
import type { ServerHttp2Stream } from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { InvokeRequestSchema } from "../../gen/drover/v1/invoke_service_pb.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { until } from "../kit/until.ts";
import { answer, answered, endpoint, frame, type House, house, rawReplica, refuse } from "./harness.ts";

const invoke = "/drover.v1.InvokeService/Invoke";

const message = (deployment: string, bytes: Uint8Array = Buffer.from("payload")) =>
  toBinary(InvokeRequestSchema, create(InvokeRequestSchema, { deployment, method: "m", input: { case: "bytes", value: bytes } }));

/** Replicas that answer the path they were called at and the bytes they got. */
async function program(at: House, deployment: string, more: { invocable?: boolean } = {}) {
  const replica = await rawReplica((stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.once("end", () => answer(stream, Buffer.concat(chunks), { "grpc-status": "0", "x-path": String(headers[":path"]) }));
  });
  at.routes.set(deployment, [endpoint(`${deployment}-1`, replica.address, more)], { services: [] });
  return replica;
}

test("an invoke goes to the deployment its message names, path and bytes untouched", async () => {
  await using at = await house();
  await using _one = await program(at, "one");
  await using _two = await program(at, "two");
  for (const name of ["one", "two"]) {
    const body = frame(message(name));
    const got = await at.caller.call(invoke, {}, body);
    expect(got.body).toEqual(body);
    expect(got.trailers?.["x-path"]).toBe(invoke);
    expect(got.headers["drover-replica"]).toBe(`${name}-1`);
  }
  const streamed = await at.caller.call(`${invoke}ServerStream`, {}, frame(message("one")));
  expect(streamed.trailers?.["x-path"]).toBe(`${invoke}ServerStream`);
});

test("an invoke that comes in many small frames, or is large, arrives as it was", async () => {
  await using at = await house();
  await using _one = await program(at, "one");
  const small = frame(message("one"));
  const stream = at.caller.open(invoke);
  const done = answered(stream);
  for (const byte of small) await new Promise((resolve) => stream.write(Buffer.of(byte), resolve));
  stream.end();
  expect((await done).body).toEqual(small);
  const large = frame(message("one", randomBytes(5_000_000)));
  expect((await at.caller.call(invoke, {}, large)).body.equals(large)).toBe(true);
});

test("an invoke above the bound of its deployment is refused before any of it is sent, also where it goes on for ever", async () => {
  await using at = await house();
  await using replica = await program(at, "one");
  at.routes.set("one", at.routes.get("one")?.endpoints ?? [], { messageBytesMax: 65_536 });
  const fits = frame(message("one", Buffer.alloc(65_000)));
  expect((await at.caller.call(invoke, {}, fits)).status).toBe(0);
  const stream = at.caller.open(invoke);
  const done = answered(stream);
  stream.write(frame(message("one", Buffer.alloc(70_000))).subarray(0, 100));
  expect(await done).toMatchObject({ status: 3, reason: "MESSAGE_TOO_LARGE" });
  expect(replica.calls).toBe(1);
});

test("a compressed invoke is passed on compressed", async () => {
  await using at = await house();
  await using _one = await program(at, "one");
  const body = frame(gzipSync(message("one", randomBytes(100_000))), true);
  const got = await at.caller.call(invoke, { "grpc-encoding": "gzip" }, body);
  expect(got.status).toBe(0);
  expect(got.body.equals(body)).toBe(true);
});

test("an invoke in an unknown encoding gets the list of those that are known; a typed call passes untouched", async () => {
  await using at = await house();
  await using _one = await program(at, "one");
  const body = frame("squeezed", true);
  const got = await at.caller.call(invoke, { "grpc-encoding": "snappy" }, body);
  expect([got.status, got.headers["grpc-accept-encoding"]]).toEqual([12, "identity,deflate,gzip"]);
  expect((await at.caller.call(invoke, {}, body)).status).toBe(13);
  const typed = await at.caller.call("/test.Echo/Any", { "grpc-encoding": "snappy", "drover-deployment": "one" }, body);
  expect([typed.status, typed.body]).toEqual([0, body]);
});

test("an invoke that a replica refuses is sent again whole", async () => {
  await using at = await house();
  await using replica = await rawReplica((stream) => {
    if (replica.calls === 1) refuse(stream, "busy");
    else {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.once("end", () => answer(stream, Buffer.concat(chunks)));
    }
  });
  at.routes.set("one", [endpoint("r", replica.address)]);
  const body = frame(message("one"));
  expect((await at.caller.call(invoke, {}, body)).body).toEqual(body);
});

test("an invoke that waits in the queue arrives whole", async () => {
  await using at = await house();
  at.routes.set("one", []);
  const body = frame(message("one", randomBytes(500_000)));
  const waiting = at.caller.call(invoke, {}, body);
  await until(() => at.gateway.queued("one") === 1);
  await using _one = await program(at, "one");
  expect((await waiting).body.equals(body)).toBe(true);
});

test("the metadata key may name the deployment too, but not another", async () => {
  await using at = await house();
  await using _one = await program(at, "one");
  expect((await at.caller.call(invoke, { "drover-deployment": "one" }, frame(message("one")))).status).toBe(0);
  const got = await at.caller.call(invoke, { "drover-deployment": "two" }, frame(message("one")));
  expect(got).toMatchObject({ status: 3, reason: "INVALID_FIELD", fields: ["deployment"] });
});

test("an invoke without a deployment, or without a message, fails with the missing field", async () => {
  await using at = await house();
  const wanted = { status: 3, reason: "INVALID_FIELD", fields: ["deployment"] };
  expect(await at.caller.call(invoke, {}, frame(message("")))).toMatchObject(wanted);
  expect(await at.caller.call(invoke, {}, Buffer.alloc(0))).toMatchObject(wanted);
  expect(await at.caller.call(invoke, {}, frame(message("none")))).toMatchObject({ status: 5, reason: "DEPLOYMENT_NOT_FOUND" });
});

test("a program without methods of its own says so", async () => {
  await using at = await house();
  await using replica = await program(at, "one", { invocable: false });
  const got = await at.caller.call(invoke, {}, frame(message("one")));
  expect(got.status).toBe(5);
  expect(got.message).toContain("serves only its own gRPC services");
  expect([replica.calls, at.gateway.ongoing("one-1")]).toEqual([0, 0]);
});

test("a first message that never comes is not waited for for ever", async () => {
  const clock = new HandClock();
  await using at = await house(clock);
  const stream = at.caller.open(invoke);
  const done = answered(stream);
  stream.write(frame(message("one")).subarray(0, 4));
  await until(() => clock.pending === 3); // the connection has two timers, and the call its own
  clock.pass(60_000);
  expect(await done).toMatchObject({ status: 4, reason: "QUEUE_DEADLINE" });
});
