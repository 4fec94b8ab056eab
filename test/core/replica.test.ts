import { expect, test } from "vitest";
import { advance, type ReplicaRecord, type ReplicaState } from "../../src/core/replica.ts";

test("a replica's state only moves forward", () => {
  const states: readonly ReplicaState[] = ["PENDING", "STARTING", "RUNNING", "DRAINING", "STOPPED", "FAILED"];
  const rank = [0, 1, 2, 3, 4, 4];
  for (const [from, before] of states.entries()) {
    for (const [to, after] of states.entries()) {
      const move = () => advance({ state: before, readyAtMs: 0 } as ReplicaRecord, after, 5).state;
      if ((rank[to] ?? 0) > (rank[from] ?? 0)) expect(move()).toBe(after);
      else expect(move).toThrow("cannot go from");
    }
  }
});
