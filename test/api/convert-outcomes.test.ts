import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ReconfigureFailureSchema, ReconfigureOutcome } from "../../gen/drover/v1/controller_service_pb.ts";
import { ConfigProblemKind } from "../../gen/drover/v1/facts_pb.ts";
import { reconfigureFailure } from "../../src/api/convert-outcomes.ts";
import type { ConfigChangeRecord, ReplicaOutcome } from "../../src/core/config-change.ts";
import { detailBytesMax } from "../../src/rpc/status.ts";

/** The detail of a change that these replicas made nothing of. */
function failureOf(replicas: readonly ReplicaOutcome[]) {
  const { typeName, value } = reconfigureFailure({ replicas } as ConfigChangeRecord);
  return { bytes: typeName.length + value.length, failure: fromBinary(ReconfigureFailureSchema, value) };
}

const refused = (replicaId: string, message: string, violations = 0): ReplicaOutcome => ({
  replicaId,
  outcome: "REFUSED",
  problem: {
    kind: "refused",
    message,
    violations: Array.from({ length: violations }, (_, index) => ({ field: `f${index}`, description: "is wrong" })),
  },
});

test("replicas that did not take the config come first; each has the reason why it did not, and why it could not go back", () => {
  const { failure } = failureOf([
    { replicaId: "a-1", outcome: "ACCEPTED" },
    { ...refused("a-2", "no"), outcome: "REPLACED", revertProblem: { kind: "late", withinMs: 30_000 } },
    { replicaId: "a-3", outcome: "REVERTED" },
  ]);
  expect(failure.replicas).toMatchObject([
    {
      replicaId: "a-2",
      outcome: ReconfigureOutcome.REPLACED,
      problem: { kind: ConfigProblemKind.REFUSED, message: "no" },
      revertProblem: { kind: ConfigProblemKind.LATE, within: { seconds: 30n } },
    },
    { replicaId: "a-1", outcome: ReconfigureOutcome.ACCEPTED },
    { replicaId: "a-3", outcome: ReconfigureOutcome.REVERTED },
  ]);
});

test.each([
  [1_000, "no", 0],
  [40, "x".repeat(10_000), 0],
  [40, "\u{1f411}".repeat(10_000), 3],
  [3, "no", 1_000],
])("of %i replicas as many are listed as fit, and the rest is counted", (count, message, violations) => {
  const { bytes, failure } = failureOf(Array.from({ length: count }, (_, index) => refused(`a-${index}`, message, violations)));
  expect(bytes).toBeLessThanOrEqual(detailBytesMax - "type.googleapis.com/".length);
  expect(failure.replicas.length).toBeGreaterThan(1);
  expect(failure.replicas.length + failure.replicasLeftOut).toBe(count);
  for (const replica of failure.replicas) expect(replica).toMatchObject({ problem: { kind: ConfigProblemKind.REFUSED } });
});
