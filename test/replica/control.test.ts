import { describe, expect, test } from "vitest";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { ReplicaService } from "../../gen/drover/v1/replica_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import type { Json } from "../../src/replica/index.ts";
import { deployment, implement, StatusError } from "../../src/replica/index.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { readDescriptors } from "../../src/rpc/reflection.ts";
import { failure, gate, serve } from "./harness.ts";

const config = (generation: number, userConfig?: Json, epoch = 1) => ({
  configGeneration: BigInt(generation),
  epoch: BigInt(epoch),
  ...(userConfig !== undefined && { userConfig: jsonToValue(userConfig) }),
});

function configurable() {
  const seen: Json[] = [];
  class Program {
    validateConfig(userConfig: Json) {
      if (userConfig === "invalid") throw new StatusError("INVALID_ARGUMENT", "model: no such model");
      if (userConfig === "bad") throw new Error("no such model");
    }
    reconfigure(userConfig: Json) {
      if (userConfig === "late") throw new TypeError("too late for that");
      seen.push(userConfig);
    }
  }
  return { definition: deployment(Program), seen };
}

class Plain {
  call() {}
}

describe("Reconfigure", () => {
  test("gives the program its config, once for each generation", async () => {
    const { definition, seen } = configurable();
    const { replica } = await serve(definition);
    expect(await replica.reconfigure(config(3, { model: "a" }))).toMatchObject({ configGeneration: 3n });
    expect(await replica.reconfigure(config(3, { model: "a" }))).toMatchObject({ configGeneration: 3n });
    expect(await replica.reconfigure(config(2, { model: "old" }))).toMatchObject({ configGeneration: 3n });
    expect(await replica.reconfigure(config(4, null))).toMatchObject({ configGeneration: 4n });
    expect(seen).toEqual([{ model: "a" }, null]);
    expect(await replica.getInfo({})).toMatchObject({ configGeneration: 4n });
  });

  test("without a config only notes the generation", async () => {
    const { definition, seen } = configurable();
    const { replica } = await serve(definition);
    expect(await replica.reconfigure(config(1))).toMatchObject({ configGeneration: 1n });
    expect(seen).toEqual([]);
    const plain = await serve(deployment(Plain));
    expect(await plain.replica.reconfigure(config(1))).toMatchObject({ configGeneration: 1n });
  });

  test.each([
    ["bad", "FAILED_PRECONDITION", "RECONFIGURE_REFUSED", "no such model"],
    ["late", "FAILED_PRECONDITION", "RECONFIGURE_REFUSED", "too late for that"],
    ["invalid", "INVALID_ARGUMENT", undefined, "model: no such model"],
  ])("that the program refuses (%s) fails with its message and changes nothing", async (userConfig, code, reason, message) => {
    const { definition } = configurable();
    const { replica } = await serve(definition);
    await replica.reconfigure(config(1, "good"));
    expect(await failure(replica.reconfigure(config(2, userConfig)))).toMatchObject({ code, reason, message });
    expect(await replica.getInfo({})).toMatchObject({ configGeneration: 1n });
    expect(await replica.reconfigure(config(2, "good again"))).toMatchObject({ configGeneration: 2n });
  });

  test("of a program that takes none says how to take one", async () => {
    const { replica } = await serve(deployment(Plain));
    const error = await failure(replica.reconfigure(config(1, {})));
    expect(error).toMatchObject({ code: "FAILED_PRECONDITION", reason: "RECONFIGURE_REFUSED" });
    expect(error.message).toContain("add a method reconfigure(userConfig)");
  });

  test("is done one at a time, in order", async () => {
    const seen: string[] = [];
    const begun = gate();
    const go = gate();
    class Slow {
      async reconfigure(userConfig: string) {
        seen.push(`${userConfig} begins`);
        begun.resolve();
        await go.promise;
        seen.push(`${userConfig} ends`);
      }
    }
    const { replica } = await serve(deployment(Slow));
    const first = replica.reconfigure(config(1, "a"));
    await begun.promise;
    const second = replica.reconfigure(config(2, "b"));
    await replica.getInfo({}); // the same connection: the second has arrived
    go.resolve();
    await Promise.all([first, second]);
    expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  });

  test("with a generation below 1, or an unknown phase, is refused", async () => {
    const { replica } = await serve(deployment(Plain));
    expect((await failure(replica.reconfigure(config(0)))).facts.violations).toMatchObject([{ field: "config_generation" }]);
    expect((await failure(replica.reconfigure({ ...config(1), phase: 3 as never }))).facts.violations).toMatchObject([{ field: "phase" }]);
  });
});

describe("a control call", () => {
  test("of a lower epoch than one seen is refused", async () => {
    const { definition, seen } = configurable();
    const { replica } = await serve(definition);
    await replica.reconfigure(config(1, "a", 5));
    expect(await failure(replica.reconfigure(config(2, "b", 4)))).toMatchObject({ code: "FAILED_PRECONDITION", reason: "STALE_EPOCH" });
    expect(await failure(replica.drain({ epoch: 4n }))).toMatchObject({ reason: "STALE_EPOCH" });
    expect(seen).toEqual(["a"]);
    await replica.reconfigure(config(2, "b", 5));
    await replica.drain({ epoch: 6n });
    expect(await failure(replica.reconfigure(config(3, "c", 5)))).toMatchObject({ reason: "STALE_EPOCH" });
  });

  test.each([undefined, "", "wrong", "secre", "secrett"])(
    "without the replica's token (%s) is refused, and its epoch does not count",
    async (token) => {
      const { replica } = await serve(configurable().definition, { token: "secret" });
      const wrong = token === undefined ? {} : { metadata: { "drover-token": token } };
      const right = { metadata: { "drover-token": "secret" } };
      const refused = { code: "PERMISSION_DENIED", reason: "TOKEN_MISMATCH" };
      expect(await failure(replica.reconfigure(config(1, "a", 9), wrong))).toMatchObject(refused);
      expect(await failure(replica.drain({ epoch: 9n }, wrong))).toMatchObject(refused);
      await replica.getInfo({}, wrong);
      expect(await replica.reconfigure(config(1, "a", 1), right)).toMatchObject({ configGeneration: 1n });
      expect(await replica.drain({ epoch: 1n }, right)).toMatchObject({ ongoingRequests: 0n });
    },
  );
});

describe("a replica", () => {
  const own = implement(InvokeService, {
    invoke: ({ method }) => ({ output: { case: "bytes", value: Buffer.from(method) } }),
    async *invokeServerStream() {},
  });
  const served = deployment(Plain, { services: () => [own] });

  test("tells who it is and which services are its program's own", async () => {
    const { replica } = await serve(served);
    expect(await replica.getInfo({})).toMatchObject({
      replicaId: "echo-1",
      deployment: "echo",
      revision: 7n,
      configGeneration: 0n,
      services: ["drover.v1.InvokeService"],
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
      implement(InvokeService, {
        invoke: () => ({ output: { case: "json", value: jsonToValue(greeter.greeting) } }),
        async *invokeServerStream() {},
      }),
    ];
    const { channel } = await serve(deployment(Greeter, { services }), { initArgs: { greeting: "hello" } });
    expect(await channel.client(InvokeService).invoke({})).toMatchObject({ output: { value: { kind: { value: "hello" } } } });
  });

  test("lists all its services by reflection, with their files", async () => {
    const { channel } = await serve(served);
    const source = await readDescriptors(channel, AbortSignal.timeout(30_000));
    const names = ["drover.v1.ReplicaService", "drover.v1.InvokeService", "grpc.health.v1.Health"];
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
