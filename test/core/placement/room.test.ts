import { expect, test } from "vitest";
import { processOf, usingLedger } from "../../../src/core/placement/room.ts";

const here = new Set(["here"]);

test.each([
  ["found, it is what it was found as", "elsewhere", "alive", here, "alive"],
  ["not found where all is seen, it is not there", "elsewhere", undefined, "all", "none"],
  ["not found on a node that is seen, it is not there", "here", undefined, here, "none"],
  ["not found on a node that is not seen, nobody knows", "elsewhere", undefined, here, "unknown"],
  ["never placed, it is nowhere", undefined, undefined, here, "none"],
] as const)("the process of a replica: %s", (_, node, seen, coverage, process) => {
  expect(processOf(node, seen, coverage)).toBe(process);
});

test("what replicas of other nodes hold is nothing of this ledger", () => {
  const capacity = { cpuMilli: 1, gpuCount: 0, memoryBytes: 1 };
  const replicas = [{ node: "here" }, { node: "elsewhere" }, {}];
  expect(usingLedger(replicas, { kind: "ledger", node: "here", capacity })).toEqual([{ node: "here" }, {}]);
  expect(usingLedger(replicas, { kind: "engine" })).toEqual([]);
});
