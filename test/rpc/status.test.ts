import { readFile } from "node:fs/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { status as grpcStatus, Metadata } from "@grpc/grpc-js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ReconfigureFailureSchema, ReconfigureOutcome } from "../../gen/drover/v1/controller_service_pb.ts";
import { ErrorReasonSchema } from "../../gen/drover/v1/errors_pb.ts";
import { ConfigProblemKind } from "../../gen/drover/v1/facts_pb.ts";
import { ErrorInfoSchema, QuotaFailureSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { type Code, codeOfReason, invalid, type Reason, refusal, StatusError } from "../../src/core/errors.ts";
import { detailOf, packDetail } from "../../src/rpc/error-detail.ts";
import { codeName, codeNumber, decodeStatus, detailBytesMax, detailsKey, encodeStatus } from "../../src/rpc/status.ts";

test("the reasons of the code are those of the proto", () => {
  const inProto = ErrorReasonSchema.values.map(({ name }) => name.slice("ERROR_REASON_".length)).filter((name) => name !== "UNSPECIFIED");
  expect(Object.keys(codeOfReason).sort()).toEqual(inProto.sort());
});

test("the proto's comment on a reason begins with the code it has here", async () => {
  const proto = await readFile("proto/drover/v1/errors.proto", "utf8");
  const comments = new Map(
    [...proto.matchAll(/((?: *\/\/.*\n)+) *ERROR_REASON_(\w+) =/g)].map(([, comment, reason]) => [reason, comment?.trim()]),
  );
  for (const [reason, code] of Object.entries(codeOfReason)) expect(comments.get(reason), reason).toMatch(new RegExp(`^// ${code}: `));
});

test("codes have gRPC's numbers, in both directions", () => {
  for (const [name, number] of Object.entries(codeNumber)) {
    expect(grpcStatus[name as Code]).toBe(number);
    expect(codeName(number)).toBe(name);
  }
  expect(Object.keys(codeNumber).length).toBe(16);
  expect(codeName(99)).toBe("UNKNOWN");
});

function through(error: unknown): StatusError {
  const { code, message, details } = encodeStatus(error);
  const metadata = new Metadata();
  if (details !== undefined) metadata.set(detailsKey, Buffer.from(details));
  metadata.toHttp2Headers(); // fails on what cannot be sent
  return decodeStatus({ code, details: message, metadata });
}

test("every reason, with all its facts, survives the wire", () => {
  const facts = { violations: [{ field: "a", description: "b" }], retryAfterMs: 250, metadata: { k: "v" } };
  for (const reason of Object.keys(codeOfReason) as Reason[]) {
    const error = through(refusal(reason, "text", facts));
    expect(error).toMatchObject({ reason, code: codeOfReason[reason], message: "text" });
    expect(error.facts).toMatchObject(facts);
  }
});

test("typed details survive the wire; another type, and bytes that are no message, are no detail of that type", () => {
  const replicas = [{ replicaId: "a-1", outcome: ReconfigureOutcome.REFUSED, problem: { kind: ConfigProblemKind.NO_SERVICE } }];
  const failure = packDetail(ReconfigureFailureSchema, { replicas, replicasLeftOut: 7 });
  const error = through(refusal("RECONFIGURE_REFUSED", "text", { details: [failure] }));
  expect(detailOf(error, ReconfigureFailureSchema)).toMatchObject({ replicas, replicasLeftOut: 7 });
  expect(detailOf(error, ErrorInfoSchema)).toBeUndefined();
  const rubbish = refusal("RECONFIGURE_REFUSED", "text", { details: [{ ...failure, value: Uint8Array.of(0xff) }] });
  expect(detailOf(through(rubbish), ReconfigureFailureSchema)).toBeUndefined();
  expect(detailOf(new Error("text"), ReconfigureFailureSchema)).toBeUndefined();
});

test("a detail that does not fit is left out, what fits goes on", () => {
  const [large, small] = [detailBytesMax, 100].map((bytes) => ({ typeName: "drover.v1.Some", value: new Uint8Array(bytes) }));
  const error = through(refusal("CONFLICT", "text", { details: [large, small].flatMap((detail) => detail ?? []) }));
  expect(error.facts.details?.map(({ value }) => value.length)).toEqual([100]);
});

test("the metadata and details of a program's status survive the wire without a reason", () => {
  const foreign = packDetail(ErrorInfoSchema, { domain: "shop.example", reason: "NO_USER", metadata: { user: "7" } });
  const quota = packDetail(QuotaFailureSchema, { violations: [{ subject: "user:7" }] });
  const facts = { metadata: { user: "7" }, details: [foreign, quota] };
  const error = through(new StatusError("NOT_FOUND", "no such user", facts));
  expect(error).toMatchObject({ code: "NOT_FOUND", message: "no such user", reason: undefined });
  expect(error.facts.metadata).toEqual({ user: "7" });
  expect(detailOf(error, ErrorInfoSchema)).toMatchObject({ domain: "shop.example", reason: "NO_USER" });
  expect(detailOf(error, QuotaFailureSchema)).toMatchObject({ violations: [{ subject: "user:7" }] });
  expect(through(through(error)).facts).toMatchObject({ metadata: facts.metadata, details: error.facts.details });
});

test("metadata may have any name", () => {
  const metadata = JSON.parse('{"__proto__":"1","constructor":"2","":"3","\u{1F600}":"\\u0000"}');
  const read = through(new StatusError("NOT_FOUND", "no such user", { metadata })).facts.metadata ?? {};
  expect(Object.entries(read).sort()).toEqual(Object.entries(metadata).sort());
});

test("a status without reason and facts carries no details", () => {
  expect(encodeStatus(new StatusError("NOT_FOUND", "of a program"))).toEqual({
    code: 5,
    message: "of a program",
    details: undefined,
    known: true,
  });
});

test.each([new Error("a secret"), "a secret", undefined, null, { code: 5, details: "a secret" }])(
  "an unexpected %s reveals nothing",
  (thrown) => {
    const { code, message, known } = encodeStatus(thrown);
    expect({ code, message, known }).toEqual({ code: 13, message: "internal error; the log has the cause", known: false });
    expect(through(thrown)).toMatchObject({ reason: "INTERNAL", code: "INTERNAL" });
    expect(Buffer.from(encodeStatus(thrown).details ?? []).toString()).not.toContain("secret");
  },
);

test("the statuses of foreign servers stay as they are", () => {
  const details = [
    anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { domain: "googleapis.com", reason: "QUEUE_FULL", metadata: { a: "b" } })),
  ];
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code: 8, message: "m", details }))));
  expect(decodeStatus({ code: 8, details: "quota", metadata })).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    message: "quota",
    reason: undefined,
  });

  const rubbish = new Metadata();
  rubbish.set("grpc-status-details-bin", Buffer.from([0xff, 0x01, 0x02]));
  expect(decodeStatus({ code: 9, details: "text", metadata: rubbish })).toMatchObject({ code: "FAILED_PRECONDITION", message: "text" });
  expect(decodeStatus({ code: 14, details: "no metadata" })).toMatchObject({ code: "UNAVAILABLE", facts: {} });
});

test("a reason that this build does not know is left out, its metadata kept", () => {
  const details = [
    anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { domain: "drover", reason: "FROM_THE_FUTURE", metadata: { a: "b" } })),
  ];
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, create(StatusSchema, { details }))));
  expect(decodeStatus({ code: 9, details: "text", metadata })).toMatchObject({ reason: undefined, facts: { metadata: { a: "b" } } });
});

test("whatever an error says, its trailers fit into 8 KiB and can be sent", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 6000 }), fc.string({ maxLength: 6000 }), fc.constant("\ud800".repeat(3000)));
  const facts = fc.record({
    violations: fc.array(fc.record({ field: text, description: text }), { maxLength: 40 }),
    metadata: fc.dictionary(text, text, { maxKeys: 10 }),
    details: fc.array(fc.record({ typeName: fc.constant("drover.v1.Some"), value: fc.uint8Array({ maxLength: detailBytesMax }) })),
  });
  fc.assert(
    fc.property(text, facts, (message, some) => {
      const error = refusal("INVALID_FIELD", message, some);
      const encoded = encodeStatus(error);
      const bytes = encodeURI(encoded.message).length + Math.ceil(((encoded.details?.length ?? 0) * 4) / 3);
      expect(bytes).toBeLessThan(8192 - 256);
      expect(through(error).reason).toBe("INVALID_FIELD");
    }),
    { numRuns: 200 },
  );
});

test("what is left out is said to be", () => {
  const many = Array.from({ length: 200 }, (_, i) => ({ field: `spec.f${i}`, description: "must be something else than it is" }));
  const { violations = [] } = through(invalid(many)).facts;
  const last = violations.at(-1);
  expect(violations.length).toBeGreaterThan(20);
  expect(last?.description).toBe(`${200 - (violations.length - 1)} more`);
  expect(through(refusal("CONFLICT", "x".repeat(5000))).message).toMatch(/^x{1000,}…$/);
});
