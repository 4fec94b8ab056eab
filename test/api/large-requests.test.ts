import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DeploymentSpecSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { type OpenedApi, openApi, specOf } from "./opened-api.ts";

type Spec = Extract<MessageInitShape<typeof DeploymentSpecSchema>, { $typeName?: never }>;

let opened: OpenedApi;

beforeAll(async () => {
  opened = await openApi();
});
afterAll(() => opened.close());

const named = (count: number, name: string) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}${index}`, "x"]));
const full = (index: number): Spec => ({ ...specOf(`full-${index}`), labels: named(64, "l"), runtimeEnv: { envVars: named(256, "V") } });

test.each([
  [
    "an Apply of many specs",
    () => opened.controller.apply({ specs: Array.from({ length: 200 }, (_, index) => full(index)), requestId: "a" }),
  ],
  [
    "a simulation of many samples",
    () =>
      opened.controller.simulateAutoscaling({
        autoscalingConfig: { maxReplicas: 3 },
        samples: Array.from({ length: 20_000 }, (_, index) => ({ time: { seconds: BigInt(index) }, totalRequests: index % 9 })),
      }),
  ],
])("%s does not hold up a small request that comes after it", async (_, large) => {
  await opened.controller.getCluster({});
  const answered: string[] = [];
  const first = large().then(() => answered.push("large"));
  await opened.controller.getCluster({});
  answered.push("small");
  await first;
  expect(answered).toEqual(["small", "large"]);
});

test("an Apply with a request_id has the same answer at its retry, and other content is another request", async () => {
  const specs = Array.from({ length: 30 }, (_, index) => full(index));
  const first = await opened.controller.apply({ specs, requestId: "twice" });
  expect(await opened.controller.apply({ specs: specs.map((spec) => ({ ...spec })), requestId: "twice" })).toEqual(first);
  const other = specs.map((spec, index) => (index === 29 ? { ...spec, version: "2" } : spec));
  await expect(opened.controller.apply({ specs: other, requestId: "twice" })).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
});
