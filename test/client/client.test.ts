import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { connect } from "../../src/client/index.ts";
import type { RequestContext } from "../../src/replica/index.ts";
import { deployment, implement } from "../../src/replica/index.ts";
import { until } from "../kit/until.ts";
import { failure, gate, serve, temporaryFolder } from "../replica/harness.ts";
import { FakeController } from "./fake-controller.ts";

/** A controller, and a client of its deployment `echo`. */
async function connected() {
  const controller = new FakeController();
  const api = await controller.listen(`unix:${join(await temporaryFolder(), "api.sock")}`);
  const connection = connect({ api });
  onTestFinished(async () => {
    await connection.close();
    await controller.close();
  });
  return { controller, connection, echo: connection.deployment("echo") };
}

/** A replica that says its name, and can be made to hold a request. */
async function named(name: string, maxOngoingRequests = 100) {
  const held = gate();
  const go = gate();
  const own = implement(GreeterService, {
    greet: () => ({ greeting: name }),
    async *greetRepeatedly() {
      for (let n = 0; n < 3; n++) yield { greeting: name };
    },
  });
  class Program {
    name() {
      return name;
    }
    async hold() {
      held.resolve();
      await go.promise;
      return name;
    }
    async *names() {
      for (let n = 0; n < 3; n++) yield name;
    }
    echo(input: unknown) {
      return input;
    }
    async deadline(_input: unknown, context: RequestContext) {
      const { deadlineMs } = context;
      return deadlineMs !== undefined;
    }
  }
  const served = await serve(deployment(Program, { services: () => [own] }), { maxOngoingRequests });
  return { ...served, held: held.promise, go: go.resolve };
}

const seconds = { deadlineMs: 60_000 };

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("a client", () => {
  test("calls replicas directly: methods, streams and the program's own services", async () => {
    const { controller, echo } = await connected();
    controller.report("echo", { addresses: [(await named("one")).address] });
    expect(await echo.invoke("name")).toBe("one");
    expect(await echo.invoke("echo", { a: [1, null] })).toEqual({ a: [1, null] });
    expect(new Uint8Array((await echo.invoke("echo", new Uint8Array([1, 255]))) as Uint8Array)).toEqual(new Uint8Array([1, 255]));
    expect(await collect(echo.stream("names"))).toEqual(["one", "one", "one"]);
    const own = echo.service(GreeterService);
    expect((await own.greet({})).greeting).toBe("one");
    expect(await collect(own.greetRepeatedly({}))).toHaveLength(3);
    expect(await echo.invoke("deadline", null, seconds)).toBe(true);
    for (const days of [25, 30, 4_000]) expect(await echo.invoke("deadline", null, { deadlineMs: days * 86_400_000 })).toBe(true);
  });

  test("passes a program's own failure on, and does not send the request again", async () => {
    const { controller, echo } = await connected();
    controller.report("echo", { addresses: [(await named("one")).address] });
    expect(await failure(echo.invoke("none"))).toMatchObject({ code: "NOT_FOUND", reason: "METHOD_NOT_FOUND" });
    expect(await failure(collect(echo.stream("none")))).toMatchObject({ reason: "METHOD_NOT_FOUND" });
  });

  test("refuses input that is not JSON before it is sent", async () => {
    const { echo } = await connected();
    await expect(echo.invoke("echo", { n: [Number.NaN] })).rejects.toThrow("arguments[0].n[0] is NaN");
    await expect(echo.invoke("echo", { text: "a\ud800b" })).rejects.toThrow("input.text");
    await expect(echo.invoke("echo", { id: 2 ** 53 + 2 })).rejects.toThrow("input.id");
    await expect(collect(echo.stream("echo", [1e300, 2 ** 60]))).rejects.toThrow("input[1]");
  });

  test("fails at once for a deployment that is not there, and finds it once it is", async () => {
    const { controller, echo } = await connected();
    expect(await failure(echo.invoke("name"))).toMatchObject({ code: "NOT_FOUND", reason: "DEPLOYMENT_NOT_FOUND" });
    controller.report("echo", { addresses: [(await named("one")).address] });
    await until(async () => (await echo.invoke("name").catch(() => "")) === "one");
    controller.report("echo", undefined);
    await until(async () => (await echo.invoke("name").catch((error) => error.reason)) === "DEPLOYMENT_NOT_FOUND");
  });

  test("fails at once when no controller can be reached", async () => {
    const connection = connect({ api: `unix:${join(await temporaryFolder(), "none.sock")}` });
    onTestFinished(() => connection.close());
    expect((await failure(connection.deployment("echo").invoke("name"))).code).toBe("UNAVAILABLE");
  });

  test("finds a controller that starts after its first call failed", async () => {
    const api = `unix:${join(await temporaryFolder(), "api.sock")}`;
    const connection = connect({ api });
    const controller = new FakeController();
    onTestFinished(async () => {
      await connection.close();
      await controller.close();
    });
    const echo = connection.deployment("echo");
    expect((await failure(echo.invoke("name"))).code).toBe("UNAVAILABLE");
    controller.report("echo", { addresses: [(await named("one")).address] });
    await controller.listen(api);
    await until(async () => (await echo.invoke("name").catch(() => "")) === "one");
  });
});

describe("a request", () => {
  test("waits for a replica, within its deadline", async () => {
    const { controller, echo } = await connected();
    controller.report("echo", { addresses: [] });
    expect(await failure(echo.invoke("name", null, { deadlineMs: 20 }))).toMatchObject({ reason: "QUEUE_DEADLINE" });
    const call = echo.invoke("name", null, seconds);
    controller.report("echo", { addresses: [(await named("one")).address] });
    expect(await call).toBe("one");
  });

  test("that waits ends when its caller leaves", async () => {
    const { controller, echo } = await connected();
    controller.report("echo", { addresses: [] });
    const leave = new AbortController();
    const calls = [echo.invoke("name", null, { signal: leave.signal }), collect(echo.stream("names", null, { signal: leave.signal }))];
    leave.abort();
    for (const call of calls) expect((await failure(call)).code).toBe("CANCELLED");
  });

  test.each(["unary", "stream", "own service"])("refused by a draining replica goes to another (%s)", async (kind) => {
    const { controller, echo } = await connected();
    const [one, two] = [await named("one"), await named("two")];
    controller.report("echo", { addresses: [one.address, two.address] });
    await one.replica.drain({});
    const call = {
      unary: () => echo.invoke("name"),
      stream: async () => (await collect(echo.stream("names")))[0],
      "own service": async () => (await echo.service(GreeterService).greet({})).greeting,
    }[kind] as () => Promise<unknown>;
    for (let n = 0; n < 20; n++) expect(await call()).toBe("two");
  });

  test("above the replicas' bounds goes to the one with a place, or waits for one", async () => {
    const { controller, echo } = await connected();
    const [one, two] = [await named("one", 1), await named("two", 1)];
    controller.report("echo", { addresses: [one.address, two.address], maxOngoingRequests: 1 });
    const calls = [echo.invoke("hold", null, seconds), echo.invoke("hold", null, seconds)];
    await Promise.all([one.held, two.held]);
    const third = echo.invoke("name", null, seconds);
    two.go();
    expect(await third).toBe("two");
    one.go();
    expect((await Promise.all(calls)).sort()).toEqual(["one", "two"]);
  });

  test("refused by a replica that others keep busy goes to another", async () => {
    const { controller, echo } = await connected();
    const [one, two] = [await named("one", 1), await named("two", 100)];
    controller.report("echo", { addresses: [one.address, two.address], maxOngoingRequests: 100 });
    const other = one.invoke("hold");
    await one.held;
    const answers = await Promise.all(Array.from({ length: 20 }, () => echo.invoke("name", null, seconds)));
    expect(new Set(answers)).toEqual(new Set(["two"]));
    one.go();
    await other;
  });

  test("never sent, because nothing listens there, goes to another", async () => {
    const { controller, echo } = await connected();
    const two = await named("two");
    const nobody = `unix:${join(await temporaryFolder(), "nobody.sock")}`;
    controller.report("echo", { addresses: [two.address, nobody] });
    expect(await collect(echo.stream("names", null, seconds))).toEqual(["two", "two", "two"]);
    expect(await echo.invoke("name", null, seconds)).toBe("two");
  });

  test("whose replicas are all on another machine fails, and says where to call instead", async () => {
    const { controller, echo } = await connected();
    const away = ["unix:/no/such/machine/run/a.sock", "unix:/no/such/machine/run/b.sock"];
    controller.report("echo", { addresses: away });
    for (let n = 0; n < 2; n++) {
      const error = await failure(echo.invoke("name"));
      expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "NO_REPLICA" });
      expect(error.message).toContain("gateway");
    }
    expect(await failure(collect(echo.stream("names")))).toMatchObject({ reason: "NO_REPLICA" });
    const near = await named("near");
    controller.report("echo", { addresses: [...away, near.address] });
    await until(async () => (await echo.invoke("name", null, seconds).catch(() => "")) === "near");
  });

  test("in work at a replica that left the deployment is finished", async () => {
    const { controller, echo } = await connected();
    const [one, two] = [await named("one"), await named("two")];
    controller.report("echo", { addresses: [one.address] });
    const held = echo.invoke("hold", null, seconds);
    await one.held;
    controller.report("echo", { addresses: [two.address] });
    await until(async () => (await echo.invoke("name", null, seconds)) === "two");
    one.go();
    expect(await held).toBe("one");
  });

  test("after close fails", async () => {
    const { controller, connection, echo } = await connected();
    controller.report("echo", { addresses: [(await named("one")).address] });
    await echo.invoke("name");
    await connection.close();
    expect((await failure(echo.invoke("name"))).reason).toBe("SHUTTING_DOWN");
  });
});
