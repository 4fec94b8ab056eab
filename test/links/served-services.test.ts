// What a link learns of a replica's services. Being controlled and being invoked are two facts: a
// replica may serve either service, both or neither, and lists them in GetInfo, or else by
// reflection.
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import { ReplicaLinks } from "../../src/links/replica-links.ts";
import { silentLog } from "../../src/log/log.ts";
import { HealthService } from "../../src/rpc/health.ts";
import { descriptorsOf, reflection } from "../../src/rpc/reflection.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { type Implementation, implement } from "../../src/rpc/service.ts";
import { spec } from "../kit/records.ts";
import { until } from "../kit/until.ts";
import { temporaryFolder } from "../replica/harness.ts";

const replicaId = "app-r0";

const greeter = implement(GreeterService, { greet: () => ({}), async *greetRepeatedly() {} });
const invoke = implement(InvokeService, { invoke: () => ({}), async *invokeServerStream() {} });
const foreign = ["grpc.testing.TestService", "grpc.channelz.v1.Channelz"];
/** Control that names these services in GetInfo. */
const control = (...services: string[]) =>
  implement(ReplicaService, {
    getInfo: () => ({ replicaId, deployment: "app", revision: 1n, services }),
    reconfigure: ({ configGeneration }) => ({ configGeneration }),
    watchLoad: async function* (_, { signal }) {
      yield {};
      await realClock.sleep(60_000, signal);
    },
    drain: () => ({}),
  });

/** What a link learns of a replica that serves these besides health. */
async function learnt(implementations: readonly Implementation[], { reflected = true } = {}) {
  const shown = reflected ? reflection(descriptorsOf(implementations.map(({ service }) => service))) : [];
  const health = new HealthService();
  const server = new RpcServer({
    implementations: [...implementations, health.implementation, ...shown],
    log: silentLog,
    clock: realClock,
  });
  const address = await server.listen(`unix:${join(await temporaryFolder(), "s")}`);
  const nothing = { createdAtMs: 0, sinceMs: 0, readyAtMs: 0, message: "", token: "", gpuIndexes: [] };
  const resources = { cpuMilli: 0, gpuMilli: 0, memoryBytes: 0 };
  const replica: ReplicaRecord = {
    id: replicaId,
    deployment: "app",
    uid: "u",
    revision: 1,
    state: "RUNNING",
    resources,
    address,
    ...nothing,
  };
  const deployment: DeploymentRecord = {
    uid: "u",
    spec: { ...spec, name: "app" },
    generation: 1,
    revision: 1,
    newestRevision: 1,
    configGeneration: 0,
    newestConfigGeneration: 0,
    createdAtMs: 0,
    updatedAtMs: 0,
  };
  const links = new ReplicaLinks({
    wanted: () => undefined,
    epoch: () => undefined,
    given: () => 0,
    clock: realClock,
    log: silentLog,
  });
  onTestFinished(async () => {
    await links.close();
    health.close();
    await server.close(0);
  });
  links.connect([{ replica, deployment }]);
  await until(() => links.contact(replicaId).answer === "ready");
  const { controllable, invocable, services } = links.contact(replicaId);
  return { controllable, invocable, services };
}

test("a replica that serves both is controlled and invoked", async () => {
  const all = [greeter, invoke, control(InvokeService.typeName, GreeterService.typeName)];
  expect(await learnt(all)).toEqual({ controllable: true, invocable: true, services: [GreeterService.typeName] });
});

test("a replica that serves only ReplicaService is controlled, and no Invoke goes there", async () => {
  const all = [greeter, control(GreeterService.typeName)];
  expect(await learnt(all)).toEqual({ controllable: true, invocable: false, services: [GreeterService.typeName] });
});

test("a replica that serves only InvokeService is found by reflection", async () => {
  expect(await learnt([greeter, invoke])).toEqual({ controllable: false, invocable: true, services: [GreeterService.typeName] });
});

test("services in packages of gRPC are the program's, except health and reflection", async () => {
  const all = [
    greeter,
    invoke,
    control(...foreign, GreeterService.typeName, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"),
  ];
  expect((await learnt(all)).services).toEqual([...foreign, GreeterService.typeName]);
});

test("a plain gRPC server is neither, and without reflection nothing is known of its services", async () => {
  expect(await learnt([greeter])).toEqual({ controllable: false, invocable: false, services: [GreeterService.typeName] });
  expect(await learnt([greeter, invoke], { reflected: false })).toEqual({ controllable: false, invocable: false, services: [] });
});
