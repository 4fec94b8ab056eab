import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ReplicaSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { metricsText } from "../../src/dashboard/metrics.ts";

/** The lines of a metric's samples. */
const samples = (text: string, metric: string) => text.split("\n").filter((line) => line.startsWith(`${metric}{`));

test("models and batches are counted for each replica that reports them, and for no other", () => {
  const batches = [{ method: "classify", batchesTotal: 2n, itemsTotal: 9n, waitSecondsTotal: 0.25 }];
  const replicas = [
    create(ReplicaSchema, { replicaId: "m-1", deployment: "m", models: ["en", "fr"], maxModels: 3, batches }),
    create(ReplicaSchema, { replicaId: "m-2", deployment: "m", maxModels: 3 }),
    create(ReplicaSchema, { replicaId: "plain-1", deployment: "plain" }),
  ];
  const text = metricsText([], replicas, undefined);
  expect(samples(text, "drover_models")).toEqual([
    'drover_models{deployment="m",replica="m-1"} 2',
    'drover_models{deployment="m",replica="m-2"} 0',
  ]);
  const labels = '{deployment="m",replica="m-1",method="classify"}';
  expect(samples(text, "drover_batches_total")).toEqual([`drover_batches_total${labels} 2`]);
  expect(samples(text, "drover_batch_items_total")).toEqual([`drover_batch_items_total${labels} 9`]);
  expect(samples(text, "drover_batch_wait_seconds_total")).toEqual([`drover_batch_wait_seconds_total${labels} 0.25`]);
});
