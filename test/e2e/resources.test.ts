// What replicas take of a machine that is said to have two GPUs and two licences.
import { afterAll, beforeAll, expect, test } from "vitest";
import { ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import { ConditionReason, ConditionType, PendingKind, ResourceKind } from "../../gen/drover/v1/facts_pb.ts";
import { conditionOf } from "./conditions.ts";
import { Drover, fixturePath, until } from "./drover.ts";

let drover: Drover;
beforeAll(async () => {
  drover = await Drover.start(["--num-gpus", "2", "--resource", "licence=2", "--resource", "slot=0.5"]);
});
afterAll(() => drover.close());

const program = { kind: { case: "module" as const, value: { path: fixturePath("program.ts") } } };
const deploy = (name: string, resources: object, numReplicas = 1) =>
  drover.controller.deploy({ spec: { name, version: "1", program, numReplicas, resources: { numCpus: 0.01, ...resources } } });

test("a resource that the operator named is given out, and holders and waiting replicas are shown", async () => {
  await deploy("licensed", { custom: { licence: 0.5 } }, 3);
  await drover.settled("licensed");
  await deploy("hungry", { custom: { licence: 1, slot: 0.25 } });
  const pending = await until("the other one waits", async () => {
    const { pending } = await drover.controller.getCluster({});
    return pending[0]?.pendingReason !== undefined && pending;
  });
  const shortage = { resource: ResourceKind.CUSTOM, name: "licence", wanted: 1, free: 0.5, total: 2 };
  expect(pending).toMatchObject([{ deployment: "hungry", pendingReason: { kind: PendingKind.RESOURCES, shortages: [shortage] } }]);
  const cluster = await drover.controller.getCluster({});
  expect(cluster.capacity?.custom).toEqual({ licence: 2, slot: 0.5 });
  expect(cluster.allocated?.custom).toEqual({ licence: 1.5 });
  expect(cluster.deployments).toMatchObject([{ deployment: "licensed", replicas: 3, allocated: { custom: { licence: 1.5 } } }]);
  const { stdout } = await drover.cli("cluster");
  expect(stdout).toMatch(/\nlicence +2 +1\.5 +0\.5\n/);
  expect(stdout).toMatch(/\nlicensed +3 +0\.03 CPU, 1\.5 licence\n/);
  expect(stdout).toMatch(/\nhungry-\w+ +waits for licence: wants 1, 0\.5 of 2 free\n/);
  await drover.controller.scale({ name: "licensed", numReplicas: 2 });
  await drover.settled("hungry");
  await Promise.all(["licensed", "hungry"].map((name) => drover.controller.deleteDeployment({ name })));
});

test("a replica that needs an unknown resource waits, with the reason that it can never start here", async () => {
  await deploy("dreamer", { custom: { unicorn: 1 } });
  const { pendingReason, message } = await until("it is told", async () => {
    const { replicas } = await drover.controller.listReplicas({ deployment: "dreamer" });
    return replicas[0]?.state === ReplicaState.PENDING && replicas[0].pendingReason && replicas[0];
  });
  expect(pendingReason).toMatchObject({
    kind: PendingKind.NEVER_FITS,
    shortages: [{ resource: ResourceKind.CUSTOM, name: "unicorn", wanted: 1, free: 0, total: 0 }],
  });
  const { deployment } = await drover.controller.getDeployment({ name: "dreamer" });
  expect(conditionOf(deployment?.status, ConditionType.NO_CAPACITY)?.reason).toBe(ConditionReason.NEVER_FITS);
  expect(message).toContain("--resource unicorn=AMOUNT");
});

test("halves of a GPU are put on one, so that the other stays whole for a replica that needs it whole", async () => {
  for (const name of ["half-one", "half-two"]) await deploy(name, { numGpus: 0.5 });
  await deploy("whole", { numGpus: 1 });
  const gpus = await Promise.all(
    ["half-one", "half-two", "whole"].map(async (name) => {
      await drover.settled(name);
      return (await drover.running(name))[0]?.gpuIndexes;
    }),
  );
  expect(gpus).toEqual([[0], [0], [1]]);
});

test.each([
  ["num_gpus: 0.3333333", { numGpus: 0.3333333 }, "spec.resources.num_gpus"],
  ["one GPU and a half", { numGpus: 1.5 }, "spec.resources.num_gpus"],
  ["a custom resource finer than thousandths", { custom: { licence: 0.0001 } }, 'spec.resources.custom["licence"]'],
  ["less than nothing of a custom resource", { custom: { licence: -1 } }, 'spec.resources.custom["licence"]'],
  ["a custom resource with a strange name", { custom: { "a b": 1 } }, 'spec.resources.custom["a b"]'],
])("an amount that cannot be is refused by its field: %s", async (_, resources, field) => {
  await expect(deploy("bad", resources)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", facts: { violations: [{ field }] } });
});
