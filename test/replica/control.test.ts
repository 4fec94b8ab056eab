import { describe, expect, test } from "vitest";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { ReconfigurePhase, ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import type { Json } from "../../src/replica/index.ts";
import { deployment, implement } from "../../src/replica/index.ts";
import { readDescriptors } from "../../src/rpc/reflection.ts";
import { change, failure, gate, serve } from "./harness.ts";

/** A program that keeps what it was given. */
function configurable() {
  const seen: Json[] = [];
  class Program {
    reconfigure(userConfig: Json) {
      seen.push(userConfig);
    }
  }
  return { definition: deployment(Program), seen };
}

class Plain {
  call() {}
}

describe("a control call", () => {
  test("of a lower epoch than one seen is refused, whatever it asks", async () => {
    const { definition, seen } = configurable();
    const { replica } = await serve(definition);
    const stale = { code: "FAILED_PRECONDITION", reason: "STALE_EPOCH" };
    await replica.reconfigure(change(1, "a", { epoch: 5 }));
    for (const phase of [ReconfigurePhase.UNSPECIFIED, ReconfigurePhase.PREPARE, ReconfigurePhase.APPLY, ReconfigurePhase.REVERT]) {
      expect(await failure(replica.reconfigure(change(2, "b", { phase, epoch: 4 })))).toMatchObject(stale);
    }
    expect(await failure(replica.drain({ epoch: 4n }))).toMatchObject(stale);
    expect(seen).toEqual(["a"]);
    await replica.reconfigure(change(2, "b", { epoch: 5 }));
    await replica.drain({ epoch: 6n });
    expect(await failure(replica.reconfigure(change(3, "c", { epoch: 5 })))).toMatchObject(stale);
    await replica.reconfigure(change(3, "c", { phase: ReconfigurePhase.PREPARE, epoch: 7 }));
    expect(await failure(replica.drain({ epoch: 6n }))).toMatchObject(stale);
  });

  test.each([undefined, "", "wrong", "secre", "secrett"])(
    "without the replica's token (%s) is refused, and its epoch does not count",
    async (token) => {
      const { replica } = await serve(configurable().definition, { token: "secret" });
      const wrong = token === undefined ? {} : { metadata: { "drover-token": token } };
      const right = { metadata: { "drover-token": "secret" } };
      const refused = { code: "PERMISSION_DENIED", reason: "TOKEN_MISMATCH" };
      expect(await failure(replica.reconfigure(change(1, "a", { epoch: 9 }), wrong))).toMatchObject(refused);
      expect(await failure(replica.drain({ epoch: 9n }, wrong))).toMatchObject(refused);
      await replica.getInfo({}, wrong);
      expect(await replica.reconfigure(change(1, "a", { epoch: 1 }), right)).toMatchObject({ configGeneration: 1n });
      expect(await replica.drain({ epoch: 1n }, right)).toMatchObject({ ongoingRequests: 0n });
    },
  );
});

test("a malformed time is refused by its path, and nothing is done", async () => {
  const { replica } = await serve(configurable().definition);
  const time = { seconds: 1n, nanos: -1 };
  const refused = (field: string) => ({ code: "INVALID_ARGUMENT", facts: { violations: [{ field }] } });
  expect(await failure(replica.drain({ epoch: 1n, gracePeriod: time }))).toMatchObject(refused("grace_period"));
  expect(await failure(replica.watchLoad({ interval: time })[Symbol.asyncIterator]().next())).toMatchObject(refused("interval"));
  expect(await replica.reconfigure(change(1, "a"))).toMatchObject({ configGeneration: 1n });
});

describe("a replica", () => {
  const own = implement(GreeterService, {
    greet: ({ name }) => ({ greeting: name }),
    async *greetRepeatedly() {},
  });
  const served = deployment(Plain, { services: () => [own] });

  test("reports its identity and which of its services take requests", async () => {
    const { replica } = await serve(served);
    expect(await replica.getInfo({})).toMatchObject({
      replicaId: "echo-1",
      deployment: "echo",
      revision: 7n,
      configGeneration: 0n,
      services: ["drover.v1.InvokeService", "greeter.v1.GreeterService"],
    });
  });

  test("serves its program's own services, made from the instance", async () => {
    class Greeter {
      readonly greeting: string;
      constructor({ greeting }: { greeting: string }) {
        this.greeting = greeting;
      }
    }
    const services = (greeter: Greeter) => [
      implement(GreeterService, {
        greet: () => ({ greeting: greeter.greeting }),
        async *greetRepeatedly() {},
      }),
    ];
    const { channel } = await serve(deployment(Greeter, { services }), { initArgs: { greeting: "hello" } });
    expect(await channel.client(GreeterService).greet({})).toMatchObject({ greeting: "hello" });
  });

  test("lists all its services by reflection, with their files", async () => {
    const { channel } = await serve(served);
    const source = await readDescriptors(channel, AbortSignal.timeout(30_000));
    const names = ["drover.replica.v1.ReplicaService", "drover.v1.InvokeService", "greeter.v1.GreeterService", "grpc.health.v1.Health"];
    expect(await source.services()).toEqual(expect.arrayContaining([...names, "grpc.reflection.v1.ServerReflection"]));
    for (const name of names) expect(await source.fileBySymbol(name)).toBeInstanceOf(Uint8Array);
  });
});

describe("health", () => {
  const health = async (program: unknown) => {
    const served = await serve(deployment(program as never));
    const client = served.channel.client(Health);
    return { ...served, check: async (service = "") => (await client.check({ service })).status };
  };

  test("serves when the program has nothing to say about it, for each service", async () => {
    const { check } = await health(Plain);
    expect([await check(), await check(ReplicaService.typeName)]).toEqual([Status.SERVING, Status.SERVING]);
  });

  test("is what the program's checkHealth says at each check", async () => {
    const answers = [() => undefined, () => false, () => Promise.reject(new Error("ill")), () => true, async () => null];
    class Program {
      checkHealth() {
        return answers.shift()?.();
      }
    }
    const { check } = await health(Program);
    const got = [await check(), await check(), await check(ReplicaService.typeName), await check(), await check()];
    expect(got).toEqual([Status.SERVING, Status.NOT_SERVING, Status.NOT_SERVING, Status.SERVING, Status.SERVING]);
  });

  test("asks the program once for checks at the same time", async () => {
    let asked = 0;
    const begun = gate();
    const go = gate();
    class Program {
      async checkHealth() {
        asked++;
        begun.resolve();
        await go.promise;
      }
    }
    const { check, replica } = await health(Program);
    const checks = [check(), check(), check()];
    await begun.promise;
    await replica.getInfo({}); // the same connection: all three have arrived
    go.resolve();
    expect(await Promise.all(checks)).toEqual([Status.SERVING, Status.SERVING, Status.SERVING]);
    expect(asked).toBe(1);
    await check();
    expect(asked).toBe(2);
  });
});
