import { create, type DescMethod, type DescService, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientReadableStream, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import { silentLog } from "../../src/log/log.ts";
import { ConfigChangeLoop } from "../../src/loops/config-change-loop.ts";
import { deployment } from "../../src/replica/index.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { type OpenedApi, openApi, specOf } from "../api/opened-api.ts";
import { filesOf, piecesOf, sendBundle } from "../api/sent-bundle.ts";
import { endpoint, house } from "../gateway/harness.ts";
import { fuzzedMessage } from "../kit/fuzzed-message.ts";
import { serve } from "../replica/harness.ts";
import { SeededRandom } from "../sim/seeded-random.ts";

/** Requests in all. A seed is one request: run the test with the seed of a failure to see it alone. */
const requestsMax = 5_000;
const [firstSeed, requests] = process.env.DROVER_FUZZ_SEED ? [Number(process.env.DROVER_FUZZ_SEED), 1] : [1, requestsMax];
/** Requests at a time. */
const atOnce = 25;
/** A stream that has no more to say is left after this time. */
const streamMs = 100;
/** A call that takes longer is a stall. */
const answerMs = 30_000;

const names = Array.from({ length: 60 }, (_, index) => `fuzz-${index}`);
/** Codes of errors that are bugs, or that no handler gave. */
const bugs: readonly number[] = [status.INTERNAL, status.UNKNOWN, status.UNIMPLEMENTED, status.DATA_LOSS];

/** A bundle that is kept. */
const contents = { "app.ts": "export {}", "package-lock.json": "{}", "data/empty": "" };
let bundle: string;

let opened: OpenedApi;
let changes: Promise<void>;
const closing = new AbortController();

beforeAll(async () => {
  opened = await openApi();
  const { store, mirror } = opened;
  bundle = await sendBundle(opened.controller, contents);
  const lease = await store.acquireLease("fuzz", 2 ** 40);
  if (!lease.held) throw new Error("nobody else can hold the lease");
  // Changes of config come to their end. There are no replicas, so no port is asked.
  const loop = new ConfigChangeLoop({ store, mirror, port: {} as never, epoch: () => lease.epoch, clock: realClock, log: silentLog });
  mirror.subscribe(() => loop.wake());
  changes = loop.run(closing.signal);
});
afterAll(async () => {
  closing.abort();
  await changes;
  await opened.close();
});

/** Methods that a fuzzed request reaches more often, as others need what they leave. */
const oftener = [ControllerService.method.deploy, ControllerService.method.apply];

/** What a right request begins with: fields that follow are merged into it. */
function rightPart({ input, parent, localName }: DescMethod, random: SeededRandom): Uint8Array {
  const name = random.pick(names);
  const runtimeEnv = random.pick([{}, { bundle, lockfile: "package-lock.json", workingDir: "data" }]);
  const spec = specOf(name, { numReplicas: 1, runtimeEnv });
  const files = filesOf(contents);
  const fields: Readonly<Record<string, Record<string, unknown>>> = {
    deploy: { spec },
    apply: { specs: [spec], application: random.pick(["", name, "default"]) },
    scale: { name, numReplicas: 2 },
    reconfigure: { name, userConfig: { kind: { case: "boolValue", value: true } } },
    watchEndpoints: { names: [name, random.pick(names)] },
    findMissingFiles: { sha256: files.map(({ sha256 }) => sha256) },
    uploadFiles: { ...piecesOf(random.pick(["", "content", "x".repeat(100_000)]), 1_000)[0] },
    createBundle: { files },
    downloadBundle: { bundle, path: random.pick(["", "app.ts", "data"]), listOnly: random.chance(0.5) },
    simulateAutoscaling: { autoscalingConfig: {}, samples: [{ time: { seconds: 1n }, totalRequests: 1 }] },
  };
  const named = input.fields.find((field) => field.name === "name" || field.name === "deployment");
  const right = parent === ControllerService ? fields[localName] : parent === InvokeService ? rightCall(name, random) : undefined;
  return toBinary(input, create(input, right ?? (named && { [named.localName]: name })));
}

/** A call of a method, with binary values of which most have a place. */
function rightCall(deployment: string, random: SeededRandom): Record<string, unknown> {
  const part = () => ({
    path: random.pick([
      "",
      "/a",
      "/b/0",
      "/b/1",
      "/b/2",
      "/b/-",
      "/__proto__",
      "/positional/0",
      "/named/first",
      "/named/__proto__",
      "/a/length",
    ]),
    elementType: random.pick(["", "", "uint8", "float32", "complex128", "__proto__"]),
    shape: random.pick([[], [1n], [0n, 2n ** 62n], [-1n, -1n], [2n, 2n], Array(33).fill(1n)]),
    mediaType: random.pick(["", "", "image/png", "picture"]),
    data: Buffer.alloc(random.pick([0, 1, 4, 16, 1_000])),
  });
  const json = jsonToValue({ a: null, b: [null, null] });
  return {
    deployment,
    method: random.pick(["call", "echo", "echo", "list", "several"]),
    input: random.pick([
      { case: "json", value: json },
      { case: "json", value: jsonToValue(null) },
      { case: "arguments", value: { positional: [jsonToValue(null)], named: { second: json } } },
      { case: "arguments", value: { named: JSON.parse('{"__proto__": {}, "first": {}}') } },
    ]),
    parts: Array.from({ length: random.whole(0, 3) }, part),
  };
}

/** The messages of a stream of the caller: some that belong together, and some that do not. */
function streamOf(method: DescMethod, random: SeededRandom): readonly Buffer[] {
  const pieces = piecesOf("x".repeat(random.whole(0, 5_000)), 1_000).map((piece) =>
    toBinary(method.input, create(method.input, { ...piece })),
  );
  const fuzz = Array.from({ length: random.whole(0, 3) }, () => requestOf(method, random));
  return (random.chance(0.5) ? [...pieces, ...fuzz] : [...fuzz, ...pieces]).map((bytes) => Buffer.from(bytes));
}

function requestOf(method: DescMethod, random: SeededRandom): Buffer {
  const fuzz = fuzzedMessage(method.input, random, names);
  return random.chance(0.6) ? Buffer.concat([rightPart(method, random), fuzz]) : fuzz;
}

const asIs = (bytes: Buffer): Buffer => bytes;

/** Calls the method with one message, or several where it takes them; returns the code of its status. */
function call(client: Client, method: DescMethod, messages: readonly Buffer[]): Promise<{ readonly code: number; readonly text: string }> {
  const path = `/${method.parent.typeName}/${method.name}`;
  const isStream = method.methodKind === "server_streaming";
  const options = { deadline: Date.now() + (isStream ? streamMs : answerMs) };
  return new Promise((resolve) => {
    const end = (error: ServiceError | null) => resolve({ code: error?.code ?? status.OK, text: error?.details ?? "" });
    if (method.methodKind === "client_streaming") {
      const sending = client.makeClientStreamRequest(path, asIs, asIs, options, end);
      for (const message of messages) sending.write(message);
      sending.end();
      return;
    }
    const [bytes = Buffer.alloc(0)] = messages;
    if (!isStream) {
      client.makeUnaryRequest(path, asIs, asIs, bytes, options, end);
      return;
    }
    const stream: ClientReadableStream<Buffer> = client.makeServerStreamRequest(path, asIs, asIs, bytes, options);
    stream.on("data", () => {});
    stream.on("error", end);
    stream.on("end", () => end(null));
  });
}

/** Calls all methods with fuzzed requests; returns what is wrong, with the seed of each. */
async function fuzz(service: DescService, address: string, share: number): Promise<readonly string[]> {
  const client = new Client(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  const wrong: string[] = [];
  const seeds = Array.from({ length: Math.ceil(requests * share) }, (_, index) => firstSeed + index);
  const one = async (seed: number) => {
    const random = new SeededRandom(seed);
    const method = random.pick(service === ControllerService && random.chance(0.2) ? oftener : service.methods);
    const messages = method.methodKind === "client_streaming" ? streamOf(method, random) : [requestOf(method, random)];
    const { code, text } = await call(client, method, messages);
    const isStall = code === status.DEADLINE_EXCEEDED && method.methodKind !== "server_streaming";
    if (bugs.includes(code) || isStall) wrong.push(`DROVER_FUZZ_SEED=${seed}: ${method.name}: ${status[code]}: ${text}`);
  };
  while (seeds.length > 0) await Promise.all(seeds.splice(0, atOnce).map(one));
  return wrong;
}

test("ControllerService answers every request, and every deployment can be deleted", async () => {
  expect(await fuzz(ControllerService, opened.address, 0.7)).toEqual([]);
  const { controller } = opened;
  const all = [];
  for (let pageToken = ""; ; ) {
    const { deployments, nextPageToken } = await controller.listDeployments({ pageToken });
    all.push(...deployments);
    if (nextPageToken === "") break;
    pageToken = nextPageToken;
  }
  if (requests === requestsMax) expect(all.length).toBeGreaterThan(0);
  for (const { spec } of all) {
    const { deployment: deleted } = await controller.deleteDeployment({ name: spec?.name ?? "" });
    expect(deleted?.spec?.name).toBe(spec?.name);
  }
});

class Program {
  call(): string {
    return "called";
  }

  echo(value: unknown): unknown {
    return value;
  }

  several(first: unknown, second: unknown = null, ...rest: unknown[]): unknown {
    return [first, second, rest];
  }

  *list(): Generator<number> {
    yield 1;
  }

  reconfigure(): void {}
}

test("a replica's InvokeService and ReplicaService answer every request, and so does the gateway", async () => {
  const { address, logged } = await serve(deployment(Program), { maxOngoingRequests: 1_000 });
  await using gateway = await house();
  for (const name of names) gateway.routes.set(name, [endpoint(`${name}-1`, address)], { services: [], maxOngoingRequests: 1_000 });
  expect(await fuzz(InvokeService, gateway.address, 0.1)).toEqual([]);
  expect(await fuzz(InvokeService, address, 0.1)).toEqual([]);
  expect(await fuzz(ReplicaService, address, 0.1)).toEqual([]);
  expect(logged.map(({ err }) => err?.message)).toEqual([]);
});
