import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { connect } from "../../src/client/index.ts";
import { context, deployment, implement } from "../../src/replica/index.ts";
import { breakable } from "../kit/breakable.ts";
import { until } from "../kit/until.ts";
import { failure, gate, serve, temporaryFolder } from "../replica/harness.ts";
import { openCluster } from "./cluster.ts";

/** A cluster, and a client of its deployment `echo`. */
async function connected() {
  const cluster = await openCluster();
  return { ...cluster, echo: cluster.connection.deployment("echo") };
}

/** By which way the request in work came: calls through the gateway name the deployment for it. */
const way = () => (context()?.metadata.get("drover-deployment") === undefined ? "direct" : "gateway");

/** A replica that says its name, and can be made to hold requests. */
async function named(name: string, maxOngoingRequests = 100) {
  let held = 0;
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
    way() {
      return way();
    }
    async hold() {
      held++;
      await go.promise;
      return way();
    }
    async *names() {
      for (let n = 0; n < 3; n++) yield name;
    }
    echo(input: unknown) {
      return input;
    }
    deadline() {
      return context()?.deadlineMs !== undefined;
    }
  }
  const served = await serve(deployment(Program, { services: () => [own] }), { maxOngoingRequests });
  return { ...served, holds: (count: number) => until(() => held === count), go: go.resolve };
}

const seconds = { deadlineMs: 60_000 };

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("a client", () => {
  test("calls replicas directly once it knows them: methods, streams and the program's own services", async () => {
    const { route, echo } = await connected();
    route("echo", [(await named("one")).address]);
    expect(await echo.invoke("way")).toBe("gateway");
    await until(async () => (await echo.invoke("way")) === "direct");
    expect(await echo.invoke("echo", { a: [1, null] })).toEqual({ a: [1, null] });
    expect(new Uint8Array((await echo.invoke("echo", new Uint8Array([1, 255]))) as Uint8Array)).toEqual(new Uint8Array([1, 255]));
    expect(await collect(echo.stream("names"))).toEqual(["one", "one", "one"]);
    const own = echo.service(GreeterService);
    expect((await own.greet({})).greeting).toBe("one");
    expect(await collect(own.greetRepeatedly({}))).toHaveLength(3);
    for (const days of [1, 25, 30, 4_000]) expect(await echo.invoke("deadline", null, { deadlineMs: days * 86_400_000 })).toBe(true);
  });

  test("passes a program's own failure on with the callee's name, and does not send the request again", async () => {
    const { route, echo } = await connected();
    const one = await named("one");
    route("echo", [one.address]);
    for (const from of ["gateway", "direct"]) {
      await until(async () => (await echo.invoke("way")) === from);
      const callee = { deployment: "echo", method: "none", replica: expect.any(String) };
      expect(await failure(echo.invoke("none"))).toMatchObject({ code: "NOT_FOUND", reason: "METHOD_NOT_FOUND", callee });
      expect(await failure(collect(echo.stream("none")))).toMatchObject({ reason: "METHOD_NOT_FOUND", callee });
      if (from === "gateway") await until(async () => (await echo.invoke("way")) === "direct");
    }
  });

  test("refuses input that is not JSON before it is sent", async () => {
    const { echo } = await connected();
    await expect(echo.invoke("echo", { n: [Number.NaN] })).rejects.toThrow("n[0] is NaN");
    await expect(echo.invoke("echo", { text: "a\ud800b" })).rejects.toThrow("text");
    expect(() => echo.stream("echo", [1e300, 2 ** 60])).toThrow("[1]");
  });

  test("asks no API where only the gateway is given, and does not guess the gateway of an API", async () => {
    expect(() => connect({ api: "127.0.0.1:1" })).toThrow("gateway");
    const { route, addresses } = await connected();
    route("echo", [(await named("one")).address]);
    vi.stubEnv("DROVER_API", addresses.api);
    const connection = connect({ gateway: addresses.gateway });
    onTestFinished(async () => {
      vi.unstubAllEnvs();
      await connection.close();
    });
    for (let n = 0; n < 3; n++) expect(await connection.deployment("echo").invoke("way")).toBe("gateway");
  });

  test("learns that a replica was lost while it worked on a request, as the gateway says it", async () => {
    const { route, echo } = await connected();
    const one = await named("one");
    const { address, lose } = await breakable(one.address);
    route("echo", [address]);
    await until(async () => (await echo.invoke("way")) === "direct");
    const calls = Array.from({ length: 3 }, () => echo.invoke("hold"));
    await one.holds(3);
    lose();
    const replica = `echo-at-${address}`;
    const lost = { reason: "REPLICA_LOST", callee: { deployment: "echo", method: "hold", replica }, facts: { metadata: { replica } } };
    for (const call of calls) expect(await failure(call)).toMatchObject(lost);
    one.go();
  });

  test("has one watch, which begins with the first call and takes new names along", async () => {
    const { route, connection, watched } = await connected();
    route("echo", [(await named("one")).address]);
    connection.deployment("unused");
    await until(async () => (await connection.deployment("echo").invoke("way")) === "direct");
    expect(watched()).toEqual([["echo"]]);
    await failure(connection.deployment("other").invoke("way"));
    await until(() => watched().length === 2);
    expect(watched().at(-1)).toEqual(["echo", "other"]);
    expect(await connection.deployment("echo").invoke("way")).toBe("direct");
  });

  test("calls the replicas that it knows while the API is away, and watches again when it is back", async () => {
    const { route, echo, stopApi, startApi } = await connected();
    const [one, two] = [await named("one"), await named("two")];
    route("echo", [one.address]);
    await until(async () => (await echo.invoke("way")) === "direct");
    await stopApi();
    expect(await echo.invoke("way")).toBe("direct");
    // What it knows is old now, and harms no call.
    route("echo", [two.address]);
    await one.server.close(0);
    expect(await echo.invoke("name", null, seconds)).toBe("two");
    await startApi();
    await until(async () => (await echo.invoke("way")) === "direct");
  });

  test("calls the gateway when there is no API", async () => {
    const { route, addresses } = await connected();
    route("echo", [(await named("one")).address]);
    const connection = connect({ ...addresses, api: `unix:${join(await temporaryFolder(), "none.sock")}` });
    onTestFinished(() => connection.close());
    for (let n = 0; n < 3; n++) expect(await connection.deployment("echo").invoke("way")).toBe("gateway");
  });

  test("that is closed makes no calls", async () => {
    const { route, connection, echo } = await connected();
    route("echo", [(await named("one")).address]);
    await echo.invoke("name");
    await connection.close();
    expect((await failure(echo.invoke("name"))).code).toBe("UNAVAILABLE");
  });
});

describe("a request that no replica has room for waits at the gateway", () => {
  test("a deployment at zero is started by it", async () => {
    const { route, echo, cold } = await connected();
    route("echo", [], { coldStartMs: 60_000 });
    const call = echo.invoke("name", null, seconds);
    await until(() => cold.includes("echo"));
    route("echo", [(await named("one")).address]);
    expect(await call).toBe("one");
  });

  test("callers that wait are load, and max_queued_requests bounds them", async () => {
    const { route, echo, gateway } = await connected();
    const one = await named("one", 2);
    route("echo", [one.address], { maxOngoingRequests: 2, maxQueuedRequests: 18 });
    await until(async () => (await echo.invoke("way")) === "direct");
    const calls = Array.from({ length: 30 }, () => echo.invoke("hold", null, seconds));
    await one.holds(2);
    await until(() => gateway.queued("echo") === 18);
    one.go();
    const ended = await Promise.allSettled(calls);
    const refused = ended.flatMap((call) => (call.status === "rejected" ? call.reason : []));
    // The gateway may have had two requests on their way to the replica, which refused them.
    expect(refused.length).toBeGreaterThanOrEqual(8);
    for (const error of refused) {
      expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "QUEUE_FULL", callee: { deployment: "echo", method: "hold" } });
      expect(error.facts.retryAfterMs).toBeGreaterThan(0);
    }
    const ways = ended.flatMap((call) => (call.status === "fulfilled" ? call.value : []));
    expect(ways.filter((by) => by === "direct")).toHaveLength(2);
    await until(async () => (await echo.invoke("way")) === "direct");
  });

  test("within its deadline, and no longer than its caller", async () => {
    const { route, echo } = await connected();
    route("echo", []);
    expect(await failure(echo.invoke("name", null, { deadlineMs: 20 }))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    const leave = new AbortController();
    const calls = [echo.invoke("name", null, { signal: leave.signal }), collect(echo.stream("names", null, { signal: leave.signal }))];
    leave.abort();
    for (const call of calls) expect((await failure(call)).code).toBe("CANCELLED");
  });

  test("and whatever way it goes, it ends at the deployment's request_timeout", async () => {
    const { route, echo } = await connected();
    const one = await named("one");
    route("echo", [one.address], { requestTimeoutMs: 100 });
    expect(await failure(echo.invoke("hold", null, seconds))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await until(async () => (await echo.invoke("way")) === "direct");
    expect(await failure(echo.invoke("hold", null, seconds))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    one.go();
  });

  test("a deployment that is not there fails at once, and is found once it is there", async () => {
    const { route, echo } = await connected();
    expect(await failure(echo.invoke("name"))).toMatchObject({ code: "NOT_FOUND", reason: "DEPLOYMENT_NOT_FOUND" });
    route("echo", [(await named("one")).address]);
    await until(async () => (await echo.invoke("way").catch(() => "")) === "direct");
  });
});

describe("a request goes to the gateway, and from there to another replica", () => {
  test.each(["unary", "stream", "own service"])("refused by a draining replica (%s)", async (kind) => {
    const { route, echo } = await connected();
    const [one, two] = [await named("one"), await named("two")];
    route("echo", [one.address, two.address]);
    await until(async () => (await echo.invoke("way")) === "direct");
    await one.replica.drain({});
    const call = {
      unary: () => echo.invoke("name"),
      stream: async () => (await collect(echo.stream("names")))[0],
      "own service": async () => (await echo.service(GreeterService).greet({})).greeting,
    }[kind] as () => Promise<unknown>;
    for (let n = 0; n < 20; n++) expect(await call()).toBe("two");
  });

  test("refused by a replica that others keep busy", async () => {
    const { route, echo } = await connected();
    const [one, two] = [await named("one", 1), await named("two", 100)];
    route("echo", [one.address, two.address]);
    await until(async () => (await echo.invoke("way")) === "direct");
    const other = one.invoke("hold");
    await one.holds(1);
    const answers = await Promise.all(Array.from({ length: 20 }, () => echo.invoke("name", null, seconds)));
    expect(new Set(answers)).toEqual(new Set(["two"]));
    one.go();
    await other;
  });

  test("never sent, because nothing listens there, or the socket is of another machine", async () => {
    const { route, echo } = await connected();
    const two = await named("two");
    const nobody = `unix:${join(await temporaryFolder(), "nobody.sock")}`;
    route("echo", [two.address, nobody, "unix:/no/such/machine/run/a.sock"]);
    await until(async () => (await echo.invoke("way", null, seconds)) === "direct");
    for (let n = 0; n < 10; n++) expect(await echo.invoke("name", null, seconds)).toBe("two");
    expect(await collect(echo.stream("names", null, seconds))).toEqual(["two", "two", "two"]);
  });
});

test("a request in work at a replica that left the deployment is finished", async () => {
  const { route, echo } = await connected();
  const [one, two] = [await named("one"), await named("two")];
  route("echo", [one.address]);
  await until(async () => (await echo.invoke("way")) === "direct");
  const held = echo.invoke("hold", null, seconds);
  await one.holds(1);
  route("echo", [two.address]);
  await until(async () => (await echo.invoke("name", null, seconds)) === "two");
  one.go();
  expect(await held).toBe("direct");
});
