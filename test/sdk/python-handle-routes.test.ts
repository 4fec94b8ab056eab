// Where the calls of a handle go: to a replica that is known and has room, else to the gateway.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect, onTestFinished } from "vitest";
import { ControllerService, type WatchEndpointsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import { refusal } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log/log.ts";
import { deployment, type RequestContext } from "../../src/replica/index.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { type Implementation, implement, type ServiceHandlers } from "../../src/rpc/service.ts";
import { breakable } from "../kit/breakable.ts";
import { until } from "../kit/until.ts";
import { serve, temporaryFolder } from "../replica/harness.ts";
import { dedent, runModule, pythonTest as test } from "./python-harness.ts";

type Listed = MessageInitShape<typeof WatchEndpointsResponseSchema>;

/** Lists what the test says, and knows who watches what. */
class Lister {
  readonly watches: (readonly string[])[] = [];
  readonly #listed = new Map<string, Listed>();
  #changed = Promise.withResolvers<"listed" | "ended">();

  list(deployment: string, addresses: readonly string[], maxOngoingRequests = 5, models: readonly string[] = []): void {
    const endpoints = addresses.map((address) => ({ replicaId: address, address, invocable: true, models: [...models] }));
    this.#listed.set(deployment, { deployment, exists: true, maxOngoingRequests, endpoints });
    this.#wake("listed");
  }

  /** Ends all watches. */
  endWatches(): void {
    this.#wake("ended");
  }

  async *watchEndpoints({ names }: { readonly names: readonly string[] }, { signal }: { readonly signal: AbortSignal }) {
    this.watches.push(names);
    const left = new Promise<"left">((done) => signal.addEventListener("abort", () => done("left")));
    for (;;) {
      const changed = this.#changed.promise;
      for (const name of names) yield this.#listed.get(name) ?? { deployment: name };
      if ((await Promise.race([changed, left])) !== "listed") return;
    }
  }

  #wake(why: "listed" | "ended"): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve(why);
  }
}

async function listening(implementation: Implementation): Promise<string> {
  const server = new RpcServer({ implementations: [implementation], log: silentLog, clock: realClock });
  onTestFinished(() => server.close(0));
  return server.listen("127.0.0.1:0");
}

const driver = `
  import json, sys, threading, time
  import drover

  def handle(name, **options):
      return drover.handle(name).options(timeout=20, **options)

  for line in sys.stdin:
      try:
          answer = eval(line)
      except drover.StatusError as error:
          answer = {"code": error.code, "reason": error.reason, "callee": error.callee}
      print(json.dumps(answer), flush=True)
`;

/** A controller's API and gateway, and a script in Python that evaluates expressions. */
async function setUp(options: { readonly api?: string } = {}) {
  const lister = new Lister();
  const others = ControllerService.methods.map(({ localName }) => [localName, () => Promise.reject(refusal("INTERNAL", localName))]);
  const handlers = { ...Object.fromEntries(others), watchEndpoints: lister.watchEndpoints.bind(lister) };
  const api = await listening(implement(ControllerService, handlers as unknown as ServiceHandlers<typeof ControllerService>));
  const output = { output: { case: "json" as const, value: jsonToValue("gateway") } };
  let atGateway = 0;
  const gateway = await listening(
    implement(InvokeService, {
      async invoke({ method }, { signal }) {
        if (method !== "hang") return output;
        atGateway++;
        await new Promise((left) => signal.addEventListener("abort", left));
        atGateway--;
        return output;
      },
      async *invokeServerStream() {
        yield output;
      },
    }),
  );
  const folder = await temporaryFolder();
  await writeFile(join(folder, "driver.py"), dedent(driver));
  const { child, ended } = runModule("driver", [], folder, { DROVER_API: options.api ?? api, DROVER_GATEWAY: gateway });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const evaluate = async (expression: string): Promise<unknown> => {
    child.stdin.write(`${expression}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`the script ended: ${(await ended).stderr}`);
    return JSON.parse(value);
  };
  const isDirect = (name: string) => until(async () => (await evaluate(`handle("${name}").where().result()`)) === "replica");
  return { lister, evaluate, isDirect, atGateway: () => atGateway, end: () => child.stdin.end(), ended };
}

/** A replica that says where it is, and has requests that wait until the caller leaves. */
const replicaOf = async (maxOngoingRequests: number) => {
  let waiting = 0;
  class Program {
    where() {
      return "replica";
    }
    wait(context: RequestContext) {
      waiting++;
      return new Promise<void>((done) =>
        context.signal.addEventListener("abort", () => {
          waiting--;
          done();
        }),
      );
    }
    pair(a: unknown, b: unknown) {
      return [a, b];
    }
    async *several(what: unknown = "replica") {
      yield what;
    }
  }
  return { ...(await serve(deployment(Program), { maxOngoingRequests })), waiting: () => waiting };
};

test("calls go to the gateway until replicas are known, then directly, and again to the gateway when they are gone", async () => {
  const { lister, evaluate, isDirect, end, ended } = await setUp();
  const { address, server } = await replicaOf(100);
  expect(await evaluate('handle("echo").where().result()')).toBe("gateway"); // nothing is known yet
  lister.list("echo", [address]);
  await isDirect("echo");
  expect(await evaluate('list(handle("echo").several.stream())')).toEqual(["replica"]);
  expect(await evaluate('handle("echo").nope().result()')).toEqual({
    code: "NOT_FOUND",
    reason: "METHOD_NOT_FOUND",
    callee: ["echo", "nope", address],
  });
  // Its socket is gone, or nobody listens there: the list is old.
  await server.close(0);
  expect(await evaluate('handle("echo").where().result()')).toBe("gateway");
  expect(await evaluate('list(handle("echo").several.stream())')).toEqual(["gateway"]);
  end();
  expect(await ended).toMatchObject({ exit: 0, stderr: "" });
});

test("one watch has all names; it is opened again when it ends, and what is known holds meanwhile", async () => {
  const { lister, evaluate, isDirect } = await setUp();
  const { address } = await replicaOf(100);
  lister.list("echo", [address]);
  await isDirect("echo");
  await evaluate('handle("other").where().result()');
  await until(() => lister.watches.length === 2);
  expect(lister.watches).toEqual([["echo"], ["echo", "other"]]);
  lister.endWatches();
  expect(await evaluate('handle("echo").where().result()')).toBe("replica");
  await until(() => lister.watches.length === 3);
  lister.list("other", [address]);
  await until(async () => (await evaluate('handle("other").where().result()')) !== "gateway");
  // The replica is of another deployment, and says so.
  expect(await evaluate('handle("other").where().result()')).toMatchObject({ code: "FAILED_PRECONDITION", reason: "WRONG_REPLICA" });
});

test("a replica without room, that refuses, or that lacks the model leaves a call to the gateway", async () => {
  const { lister, evaluate, isDirect } = await setUp();
  const { address, waiting } = await replicaOf(1);
  lister.list("echo", [address], 2, ["fr"]);
  await isDirect("echo");
  // The second call is refused; then the replica is left alone for a moment.
  await evaluate('globals().update(first=handle("echo").wait())');
  await until(() => waiting() === 1);
  expect(await evaluate('handle("echo").where().result()')).toBe("gateway");
  await evaluate("first.cancel()");
  await until(() => waiting() === 0);
  lister.list("echo", [address], 1, ["fr"]);
  await isDirect("echo");
  await evaluate('globals().update(first=handle("echo").wait())');
  await until(() => waiting() === 1);
  expect(await evaluate('handle("echo").where().result()')).toBe("gateway");
  await evaluate("first.cancel()");
  await until(() => waiting() === 0);
  await isDirect("echo");
  expect(await evaluate('handle("echo", model="de").where().result()')).toBe("gateway");
  await until(async () => (await evaluate('handle("echo", model="fr").where().result()')) === "replica");
});

test("while a call waits at the gateway for want of room, later calls follow it", async () => {
  const { lister, evaluate, isDirect, atGateway } = await setUp();
  const { address, waiting } = await replicaOf(100);
  lister.list("echo", [address], 1, ["fr"]);
  await isDirect("echo");
  // No replica has the model: that is no want of room.
  await evaluate('globals().update(de=handle("echo", model="de").hang())');
  await until(() => atGateway() === 1);
  expect(await evaluate('handle("echo").where().result()')).toBe("replica");
  await evaluate('globals().update(first=handle("echo").wait(), second=handle("echo").hang())');
  await until(() => waiting() === 1 && atGateway() === 2);
  await evaluate("first.cancel()");
  await until(() => waiting() === 0);
  for (let times = 0; times < 5; times++) expect(await evaluate('handle("echo").where().result()')).toBe("gateway");
  await evaluate("second.cancel()");
  await isDirect("echo");
});

test("a replica that is lost while it works on a call is REPLICA_LOST, as at the gateway", async () => {
  const { lister, evaluate, isDirect } = await setUp();
  const { address, waiting } = await replicaOf(100);
  const relay = await breakable(address);
  lister.list("echo", [relay.address]);
  await isDirect("echo");
  await evaluate('globals().update(first=handle("echo").wait())');
  await until(() => waiting() === 1);
  relay.lose();
  expect(await evaluate("first.result()")).toEqual({
    code: "UNAVAILABLE",
    reason: "REPLICA_LOST",
    callee: ["echo", "wait", relay.address],
  });
});

test("the metadata key drover-model steers a call as the option model does", async () => {
  const { lister, evaluate, isDirect } = await setUp();
  const { address } = await replicaOf(100);
  lister.list("echo", [address], 5, ["fr"]);
  await isDirect("echo");
  const where = (model: string) => evaluate(`handle("echo", metadata={"drover-model": "${model}"}).where().result()`);
  expect([await where("de"), await where("fr")]).toEqual(["gateway", "replica"]);
});

test("the response of a call is an argument of another: its result is sent, and its failure is the call's", async () => {
  const { lister, evaluate, isDirect } = await setUp();
  const { address } = await replicaOf(100);
  lister.list("echo", [address]);
  await isDirect("echo");
  await evaluate('globals().update(where=handle("echo").where())');
  expect(await evaluate('handle("echo").pair(where, b=where).result()')).toEqual(["replica", "replica"]);
  expect(await evaluate('list(handle("echo").several.stream(where))')).toEqual(["replica"]);
  const callee = ["echo", "nope", address];
  expect(await evaluate('handle("echo").pair(handle("echo").nope(), 1).result()')).toMatchObject({ reason: "METHOD_NOT_FOUND", callee });
  const late = 'handle("echo").options(timeout=0.05).pair(handle("echo").wait(), 1).result()';
  expect(await evaluate(late)).toMatchObject({ reason: "DEADLINE", callee: ["echo", "pair", null] });
});

test("without the API, all calls go through the gateway", async () => {
  const { evaluate } = await setUp({ api: "unix:/nowhere/api.sock" });
  for (let times = 0; times < 5; times++) expect(await evaluate('handle("echo").where().result()')).toBe("gateway");
});
