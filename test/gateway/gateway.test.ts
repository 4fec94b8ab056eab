import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { ServerHttp2Stream } from "node:http2";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { describe, expect, onTestFinished, test } from "vitest";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { Health, HealthCheckRequestSchema, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { realClock, realRandom } from "../../src/clock/real.ts";
import { Gateway } from "../../src/gateway/gateway.ts";
import { silentLog } from "../../src/log/log.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { descriptorsOf, readDescriptors, reflection } from "../../src/rpc/reflection.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { until } from "../kit/until.ts";
import { answer, endpoint, frame, house, rawReplica, TestRoutes } from "./harness.ts";

const path = "/test.Echo/Any";

describe("routing", () => {
  test("by name, by service, ambiguous, unknown", async () => {
    await using at = await house();
    await using one = await rawReplica((stream) => answer(stream));
    await using two = await rawReplica((stream) => answer(stream));
    at.routes.set("one", [endpoint("one-1", one.address)], { services: ["a.Both", "a.One"] });
    at.routes.set("two", [endpoint("two-1", two.address)], { services: ["a.Both"] });
    const replicaOf = async (service: string, deployment?: string) => {
      const got = await at.caller.call(`/${service}/Do`, deployment === undefined ? {} : { "drover-deployment": deployment });
      return got.status === 0 ? got.headers["drover-replica"] : `${got.status} ${got.reason}`;
    };
    expect(await replicaOf("a.One")).toBe("one-1");
    expect(await replicaOf("a.Both", "two")).toBe("two-1");
    expect(await replicaOf("a.Both")).toBe("3 AMBIGUOUS_SERVICE");
    expect(await replicaOf("a.None")).toBe("5 SERVICE_NOT_FOUND");
    expect(await replicaOf("a.One", "three")).toBe("5 DEPLOYMENT_NOT_FOUND");
    expect(await replicaOf("drover.replica.v1.ReplicaService", "one")).toBe("5 SERVICE_NOT_FOUND");
  });

  test("requests are spread over all replicas", async () => {
    await using at = await house();
    await using one = await rawReplica((stream) => answer(stream));
    await using two = await rawReplica((stream) => answer(stream));
    at.routes.set("d", [endpoint("r1", one.address), endpoint("r2", two.address)], { maxOngoingRequests: 100 });
    await Promise.all(Array.from({ length: 200 }, () => at.caller.call(path)));
    expect(Math.min(one.calls, two.calls)).toBeGreaterThan(50);
  });
});

describe("the gateway's own services", () => {
  test("health reports that it serves", async () => {
    await using at = await house();
    const channel = new Channel(at.address);
    const response = await channel.client(Health).check(create(HealthCheckRequestSchema));
    expect(response.status).toBe(Status.SERVING);
    channel.close();
  });

  test("reflection lists its services and those of the deployments behind it", async () => {
    await using at = await house();
    // Any generated service will do for a program's own: here, one that replicas do not serve.
    const { ControllerService } = await import("../../gen/drover/v1/controller_service_pb.ts");
    const server = new RpcServer({
      implementations: [...reflection(descriptorsOf([ControllerService]))],
      log: silentLog,
      clock: realClock,
    });
    const address = await server.listen("127.0.0.1:0");
    const own = "drover.v1.ControllerService";
    at.routes.set("d", [endpoint("r1", address)], { services: [own] });
    const channel = new Channel(at.address);
    const source = await readDescriptors(channel, AbortSignal.timeout(20_000));
    const names = await source.services();
    expect(names).toEqual(expect.arrayContaining([InvokeService.typeName, Health.typeName, "grpc.reflection.v1.ServerReflection", own]));
    expect(await source.fileBySymbol(own)).toBeDefined();
    expect(await source.fileByName("drover/v1/deployment.proto")).toBeDefined();
    channel.close();
    await server.close(0);
  });

  test("a replica that does not describe itself does not keep the others from being described", async () => {
    await using at = await house();
    await using silent = await rawReplica((stream) => stream.close(8));
    at.routes.set("d", [endpoint("r1", silent.address)], { services: ["acme.Silent"] });
    const channel = new Channel(at.address);
    const source = await readDescriptors(channel, AbortSignal.timeout(20_000));
    expect(await source.services()).toContain("acme.Silent");
    expect(await source.fileBySymbol(InvokeService.typeName)).toBeDefined();
    expect(await source.fileBySymbol("acme.Silent")).toBeUndefined();
    channel.close();
  });
});

describe("closing", () => {
  test("requests in work end, waiting requests get an error, new ones are refused", async () => {
    const at = await house();
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream) => held.push(stream));
    at.routes.set("d", [endpoint("r", replica.address)], { maxOngoingRequests: 1 });
    const inWork = at.caller.call(path);
    await until(() => held.length === 1);
    const waiting = at.caller.call(path);
    await until(() => at.gateway.queued("d") === 1);
    let closed = false;
    const closing = at.gateway.close(1_000_000).then(() => {
      closed = true;
    });
    expect(await waiting).toMatchObject({ status: 14, reason: "SHUTTING_DOWN", retryAfterMs: 1_000 });
    const late = connectSocket(Number(at.address.split(":")[1]), "127.0.0.1");
    const [error] = await once(late, "error");
    expect(error).toMatchObject({ code: "ECONNREFUSED" });
    expect(closed).toBe(false);
    answer(held[0] as ServerHttp2Stream);
    expect((await inWork).status).toBe(0);
    await closing;
    await until(() => replica.sessions.size === 0);
  });

  test("after the grace period requests in work get an error too", async () => {
    const clock = new HandClock();
    const at = await house(clock);
    const held: ServerHttp2Stream[] = [];
    await using replica = await rawReplica((stream) => held.push(stream));
    at.routes.set("d", [endpoint("r", replica.address)]);
    const inWork = at.caller.call(path);
    await until(() => held.length === 1);
    const closing = at.gateway.close(5_000);
    clock.pass(5_000);
    expect(await inWork).toMatchObject({ status: 14, reason: "SHUTTING_DOWN", retryAfterMs: 1_000 });
    clock.pass(60_000);
    await closing;
  });

  /** A gateway with a request in work at each of these deployments, whose grace is as given, ms. */
  async function closingWith(graces: Readonly<Record<string, number | undefined>>) {
    const clock = new HandClock();
    const at = await house(clock);
    const held: ServerHttp2Stream[] = [];
    const replica = await rawReplica((stream) => held.push(stream));
    onTestFinished(() => replica.close());
    const ends = new Map<string, string | undefined>();
    for (const name of Object.keys(graces)) {
      at.routes.set(name, [endpoint(`r-${name}`, replica.address)]);
      void at.caller.call(path, { "drover-deployment": name }).then(({ reason }) => ends.set(name, reason));
    }
    await until(() => held.length === Object.keys(graces).length);
    const hastened = new AbortController();
    const closing = { graceMs: 1_000, graceMsOf: (name: string) => graces[name], hastened: hastened.signal };
    const work = at.gateway.inWork(closing);
    const closed = at.gateway.close(closing);
    return { clock, ends, hastened, work, closed };
  }

  test("the requests of each deployment end at its own grace, and a close with none left is over", async () => {
    const { clock, ends, work, closed } = await closingWith({ short: 2_000, long: 100_000, gone: undefined });
    expect(work.map(({ deployment, calls, graceMs }) => [deployment, calls, graceMs])).toEqual([
      ["long", 1, 100_000],
      ["short", 1, 2_000],
      ["gone", 1, 1_000],
    ]);
    clock.pass(1_000);
    await until(() => ends.has("gone"));
    clock.pass(1_000);
    await until(() => ends.has("short"));
    clock.pass(97_999);
    expect(ends.has("long")).toBe(false);
    clock.pass(1);
    await closed;
    await until(() => ends.size === 3);
    expect(Object.fromEntries(ends)).toEqual({ gone: "SHUTTING_DOWN", short: "SHUTTING_DOWN", long: "SHUTTING_DOWN" });
    await until(() => clock.pending === 0);
  });

  test("a close that is hastened waits for no grace", async () => {
    const { ends, hastened, closed } = await closingWith({ long: 1_000_000 });
    hastened.abort();
    await closed;
    expect(ends.get("long")).toBe("SHUTTING_DOWN");
  });

  test("open watches of health and open reflection calls do not delay the close", async () => {
    const clock = new HandClock();
    const at = await house(clock);
    const watch = at.caller.open("/grpc.health.v1.Health/Watch");
    watch.end(frame(""));
    await once(watch, "data");
    const held = at.caller.open("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    held.write(frame(Buffer.from([0x3a, 0]))); // list_services
    await once(held, "data");
    watch.resume();
    held.resume();
    const closing = at.gateway.close(1_000_000);
    await until(() => clock.pending >= 2);
    clock.pass(1);
    await closing;
  });

  test("a gateway with idle callers, or one that never listened, closes", async () => {
    const at = await house();
    await once(at.caller.session, "connect");
    await at.gateway.close(1_000_000);
    const never = new Gateway({ routes: new TestRoutes(), clock: realClock, random: realRandom, log: silentLog });
    await never.close(0);
  });

  test("an address that is taken is said to be", async () => {
    await using at = await house();
    const second = new Gateway({ routes: new TestRoutes(), clock: realClock, random: realRandom, log: silentLog });
    await expect(second.listen(at.address)).rejects.toThrow(`cannot listen at ${at.address}`);
    await second.close(0);
  });
});

describe("the socket of its own services", () => {
  const checkHealth = async (socketFolder: string) => {
    const gateway = new Gateway({ routes: new TestRoutes(), clock: realClock, random: realRandom, log: silentLog, socketFolder });
    const channel = new Channel(await gateway.listen("127.0.0.1:0"));
    const { status } = await channel.client(Health).check({});
    const files = await readdir(socketFolder);
    channel.close();
    await gateway.close(0);
    return { status, files };
  };

  test("is in the folder given, and nowhere else; what a killed gateway left there makes way", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gateway-"));
    expect(await checkHealth(folder)).toEqual({ status: Status.SERVING, files: ["gateway.sock"] });
    expect(await readdir(folder)).toEqual([]);
    const path = join(folder, "gateway.sock");
    const killed = spawn(process.execPath, [
      "-e",
      `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log())`,
    ]);
    await once(killed.stdout, "data");
    killed.kill("SIGKILL");
    await once(killed, "close");
    expect(await readdir(folder)).toEqual(["gateway.sock"]);
    expect(await checkHealth(folder)).toEqual({ status: Status.SERVING, files: ["gateway.sock"] });
    expect(await readdir(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });

  test("is not taken from a gateway that lives", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gateway-"));
    const options = { routes: new TestRoutes(), clock: realClock, random: realRandom, log: silentLog, socketFolder: folder };
    const first = new Gateway(options);
    await first.listen("127.0.0.1:0");
    const second = new Gateway(options);
    await expect(second.listen("127.0.0.1:0")).rejects.toThrow("another process listens there");
    await second.close(0);
    expect(await readdir(folder)).toEqual(["gateway.sock"]);
    await first.close(0);
    await rm(folder, { recursive: true });
  });
});

describe("what callers do wrong", () => {
  const rubbish: readonly (readonly [string, Buffer])[] = [
    ["random bytes", Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7919) % 256))],
    ["an HTTP/1 request", Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n")],
    ["a preface and then rubbish", Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.alloc(1_000, 0xff)])],
    [
      "a frame longer than allowed",
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1])]),
    ],
    [
      "headers that are no HPACK",
      Buffer.concat([
        Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
        Buffer.from([0, 0, 3, 1, 5, 0, 0, 0, 1, 0xff, 0xff, 0xff]),
      ]),
    ],
    ["nothing", Buffer.alloc(0)],
  ];

  test.each(rubbish)("%s ends that connection and no other", async (_, bytes) => {
    await using at = await house();
    await using replica = await rawReplica((stream) => answer(stream));
    at.routes.set("d", [endpoint("r", replica.address)]);
    const socket = connectSocket(Number(at.address.split(":")[1]), "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    const closed = once(socket, "close");
    socket.resume();
    if (bytes.length > 0) socket.write(bytes);
    else socket.end();
    await closed;
    expect((await at.caller.call(path)).status).toBe(0);
  });

  test("headers beyond the limit end that call and no other", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream) => answer(stream));
    at.routes.set("d", [endpoint("r", replica.address)]);
    const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`x-${index}`, "v"]));
    const far = Object.fromEntries(Array.from({ length: 4_100 }, (_, index) => [`x-${index}`, "v"]));
    const [fine, much, mostly] = await Promise.all([at.caller.call(path), at.caller.call(path, many), at.caller.call(path, far)]);
    expect([fine.status, much.status, mostly.resetCode, replica.calls]).toEqual([0, 8, 11, 1]);
    expect((await at.caller.call(path)).status).toBe(0);
  });

  test("a method that does not exist and a body that is no gRPC do no harm", async () => {
    await using at = await house();
    await using replica = await rawReplica((stream) => answer(stream));
    at.routes.set("d", [endpoint("r", replica.address)]);
    expect((await at.caller.call("/", {})).status).toBe(5);
    expect((await at.caller.call(path, {}, Buffer.alloc(3, 0xff))).status).toBe(0);
    expect((await at.caller.call(path, {}, frame("fine"))).status).toBe(0);
  });
});
