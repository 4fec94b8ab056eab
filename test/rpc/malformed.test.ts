import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { DrainRequestSchema, WatchLoadRequestSchema } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { malformed } from "../../src/rpc/malformed.ts";
import { violationsOf } from "../../src/rpc/validate.ts";

const durations = [
  { seconds: 1n, nanos: 1_000_000_000 },
  { seconds: 1n, nanos: -1 },
  { seconds: -1n, nanos: 1 },
  { seconds: 0n, nanos: 2 ** 31 - 1 },
  { seconds: 0n, nanos: -(2 ** 31) },
  { seconds: 2n ** 63n - 1n, nanos: 0 },
].map((init) => create(DurationSchema, init));
const timestamps = [
  { seconds: 1n, nanos: -1 },
  { seconds: 1n, nanos: 1_000_000_000 },
  { seconds: 253_402_300_800n, nanos: 0 },
  { seconds: -(2n ** 63n), nanos: 0 },
].map((init) => create(TimestampSchema, init));

/** Every request of the schema that has the time in one of its fields, with the field's path. */
function* requestsWith(schema: DescMessage, time: Message): Generator<{ readonly path: string; readonly request: Message }> {
  for (const field of schema.fields) {
    const inner = field.message;
    if (inner === undefined || field.fieldKind === "map" || inner.typeName === "google.protobuf.Value") continue;
    if (inner.typeName === "google.protobuf.Struct") continue;
    const values = inner.typeName === time.$typeName ? [{ path: "", request: time }] : requestsWith(inner, time);
    for (const { path, request } of values) {
      const isList = field.fieldKind === "list";
      const value = isList ? [request] : request;
      const step = `${field.name}${isList ? "[0]" : ""}`;
      const held = field.oneof === undefined ? { [field.localName]: value } : { [field.oneof.localName]: { case: field.localName, value } };
      yield { path: path === "" ? step : `${step}.${path}`, request: create(schema, held as never) };
    }
  }
}

const inputs: readonly DescMessage[] = [...ControllerService.methods.map(({ input }) => input), DrainRequestSchema, WatchLoadRequestSchema];
const cases = [...durations, ...timestamps].flatMap((time) =>
  inputs.flatMap((schema) => [...requestsWith(schema, time)].map(({ path, request }) => ({ schema, path, request }))),
);

describe("a Duration or a Timestamp that is none is named by its path, wherever it is", () => {
  test(`in ${cases.length} requests`, () => {
    expect(cases.length).toBeGreaterThan(200);
    for (const { schema, path, request } of cases) {
      expect(malformed(schema, request).map(({ field }) => field)).toEqual([path]);
      expect(violationsOf(schema, request).map(({ field }) => field)).toContain(path);
    }
  });

  test("the ends of the ranges are right", () => {
    const spec = {
      gracefulShutdownTimeout: { seconds: 0n, nanos: 999_999_999 },
      requestTimeout: { seconds: -315_576_000_000n, nanos: -999_999_999 },
    };
    const deploy = ControllerService.method.deploy.input;
    expect(malformed(deploy, create(deploy, { spec }))).toEqual([]);
    const simulate = ControllerService.method.simulateAutoscaling.input;
    const samples = [{ time: { seconds: -62_135_596_800n, nanos: 0 } }, { time: { seconds: 253_402_300_799n, nanos: 999_999_999 } }];
    expect(malformed(simulate, create(simulate, { samples }))).toEqual([]);
  });
});
