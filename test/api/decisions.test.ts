// Decisions, written as the loop does, over a store in memory and real gRPC.
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Decision, DecisionSource } from "../../gen/drover/v1/controller_service_pb.ts";
import type { DecisionRecord } from "../../src/core/decision.ts";
import { partKey } from "../../src/store/store.ts";
import { erase, type OpenedApi, openApi, recordOf, specOf } from "./opened-api.ts";

let opened: OpenedApi;

beforeEach(async () => {
  opened = await openApi();
  await opened.controller.deploy({ spec: specOf("a") });
});
afterEach(() => opened.close());

const controller = () => opened.controller;

/** Writes decisions with these numbers as the reconcile loop does. */
async function decide(name: string, ...numbers: readonly number[]): Promise<void> {
  const { uid } = await recordOf(opened.store, name);
  for (const number of numbers) {
    const value: DecisionRecord = {
      uid,
      deployment: name,
      number,
      atMs: 1_000 * number,
      source: "ROLLOUT",
      summary: `decision ${number}`,
      bound: "max_surge",
      inputs: { target: 4 },
      rules: [{ name: "max_surge", value: 5, meaning: "at most 5" }],
    };
    await opened.store.commit([{ put: "decision", key: partKey(name, number), version: 0, value }]);
  }
}

async function list(pageSize: number, pageToken = ""): Promise<{ readonly numbers: readonly number[]; readonly nextPageToken: string }> {
  const { decisions, nextPageToken } = await controller().listDecisions({ name: "a", pageSize, pageToken });
  return { numbers: decisions.map(({ number }) => Number(number)), nextPageToken };
}

/** Collects a watch until it ends, or until that many came; calls `onNumber` at each. */
async function watch(most: number, onNumber: (number: number) => unknown = () => {}): Promise<readonly number[]> {
  const seen: number[] = [];
  for await (const { decision } of controller().watchDecisions({ name: "a" })) {
    seen.push(Number(decision?.number));
    void onNumber(Number(decision?.number));
    if (seen.length === most) break;
  }
  return seen;
}

test("a decision is returned as it was made", async () => {
  await decide("a", 1);
  const { decisions } = await controller().listDecisions({ name: "a" });
  expect(decisions).toMatchObject([
    {
      deployment: "a",
      number: 1n,
      decideTime: { seconds: 1n },
      source: DecisionSource.ROLLOUT,
      summary: "decision 1",
      bound: "max_surge",
      inputs: { target: 4 },
      rules: [{ name: "max_surge", value: 5, meaning: "at most 5" }],
    } satisfies Omit<Partial<Decision>, "decideTime" | "rules"> & { readonly decideTime: object; readonly rules: readonly object[] },
  ]);
});

test("decisions are listed the newest first, page by page, and new ones do not shift the rest", async () => {
  await decide("a", 1, 2, 9, 10, 11, 100);
  const first = await list(2);
  expect(first.numbers).toEqual([100, 11]);
  await decide("a", 101);
  const second = await list(3, first.nextPageToken);
  expect(second.numbers).toEqual([10, 9, 2]);
  expect(await list(3, second.nextPageToken)).toEqual({ numbers: [1], nextPageToken: "" });
  await expect(list(2, "nonsense")).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
  await expect(list(1_001)).rejects.toMatchObject({ facts: { violations: [{ field: "page_size" }] } });
});

test("a watch reports the kept decisions, the oldest first, and then each new one, of this deployment only", async () => {
  await controller().deploy({ spec: specOf("b") });
  await decide("b", 1, 2);
  await decide("a", 9, 10);
  const more = async (number: number) => {
    if (number !== 10) return;
    await decide("b", 3);
    await decide("a", 11, 12);
  };
  expect(await watch(4, more)).toEqual([9, 10, 11, 12]);
});

test("a watch reports all decisions and ends when the deployment is gone", async () => {
  await decide("a", 1);
  const end = async (number: number) => {
    if (number !== 1) return;
    await decide("a", 2, 3);
    await erase(opened.store, "a");
  };
  expect(await watch(Number.POSITIVE_INFINITY, end)).toEqual([1, 2, 3]);
});

test("decisions for an earlier deployment of the same name are neither listed nor watched", async () => {
  await decide("a", 7, 8);
  await erase(opened.store, "a", 1);
  await controller().deploy({ spec: specOf("a") });
  await decide("a", 1);
  expect((await list(10)).numbers).toEqual([1]);
  expect(await watch(2, (number) => number === 1 && decide("a", 2))).toEqual([1, 2]);
});

test("what is not there has no decisions", async () => {
  await expect(controller().listDecisions({ name: "b" })).rejects.toMatchObject({ code: "NOT_FOUND", reason: "DEPLOYMENT_NOT_FOUND" });
  const watching = async () => {
    for await (const _ of controller().watchDecisions({ name: "b" }));
  };
  await expect(watching()).rejects.toMatchObject({ code: "NOT_FOUND", reason: "DEPLOYMENT_NOT_FOUND" });
});

test("a watch ends with UNAVAILABLE when the controller stops", async () => {
  await decide("a", 1);
  const watching = watch(2, () => opened.api.close());
  await expect(watching).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
  await expect(watch(2)).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
});

test("a watch that lost changes fails with the reason to start again", async () => {
  await decide("a", 1);
  const back = opened.store.snapshot();
  await decide("a", 2);
  await expect(watch(3, (number) => number === 2 && back())).rejects.toMatchObject({ code: "ABORTED", reason: "WATCH_EXPIRED" });
  expect(await watch(1)).toEqual([1]);
});
