// The longest stall of a controller's event loop under large requests, one after the other.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Client, credentials, status } from "@grpc/grpc-js";
import {
  ApplyRequestSchema,
  ControllerService,
  DeployRequestSchema,
  ListDeploymentsRequestSchema,
  SimulateAutoscalingRequestSchema,
} from "../gen/drover/v1/controller_service_pb.ts";
import type { DeploymentSpecSchema } from "../gen/drover/v1/deployment_pb.ts";
import { jsonToValue } from "../src/rpc/json-value.ts";
import { Drover, until } from "../test/e2e/drover.ts";
import { figure, present, quick, type Section } from "./section.ts";

const times = quick ? 1 : 5;
const targetMs = 50;
const mebibyte = 2 ** 20;

type Spec = Extract<MessageInitShape<typeof DeploymentSpecSchema>, { $typeName?: never }>;

/** The longest stall of the event loop, and the most CPU time of one turn of it. */
interface Longest {
  readonly delayMs: number;
  readonly cpuMs: number;
}

/** A request, as the bytes that a caller sends. */
interface LargeRequest {
  readonly what: string;
  readonly method: keyof typeof ControllerService.method;
  readonly bytes: (run: number) => Uint8Array;
}

const repeated = (count: number, no: number, content: Uint8Array) => {
  const field = new BinaryWriter().tag(no, WireType.LengthDelimited).bytes(content).finish();
  return Buffer.alloc(count * field.length, field);
};
const within = (no: number, content: Uint8Array) => new BinaryWriter().tag(no, WireType.LengthDelimited).bytes(content).finish();
const list = <T>(count: number, of: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => of(index));
const named = (count: number, name: string, value: string) => Object.fromEntries(list(count, (index) => [`${name}${index}`, value]));

const empty = new Uint8Array();
const small: Spec = { program: { kind: { case: "command", value: { argv: ["true"] } } }, version: "1", numReplicas: 0 };
const full: Spec = {
  ...small,
  labels: named(64, "label", "x"),
  runtimeEnv: { envVars: named(256, "VARIABLE_", "x"), npm: list(64, (index) => `package-${index}@^1`) },
};
const deploy = (spec: Spec, requestId = "") =>
  toBinary(DeployRequestSchema, create(DeployRequestSchema, { spec: { ...small, ...spec }, requestId }));
const apply = (specs: Spec[], requestId = "") => toBinary(ApplyRequestSchema, create(ApplyRequestSchema, { specs, requestId }));
const config = (run: number, count: number, item: unknown) => jsonToValue({ run, items: list(count - 10, () => item) });

const requests: readonly LargeRequest[] = [
  { what: "Apply, 1,500,000 empty specs", method: "apply", bytes: () => repeated(1_500_000, 1, empty) },
  { what: "Deploy, 200,000 labels", method: "deploy", bytes: () => within(1, repeated(200_000, 16, within(1, Buffer.from("labels-9")))) },
  {
    what: "Deploy, 300,000 items of user_config",
    method: "deploy",
    bytes: () => within(1, within(11, within(6, repeated(300_000, 1, within(3, empty))))),
  },
  { what: "Deploy, 4 MiB of fields not known", method: "deploy", bytes: () => repeated((4 * mebibyte) / 3 - 1, 99, empty) },
  { what: "Simulate, 100,000 empty samples", method: "simulateAutoscaling", bytes: () => repeated(100_000, 2, empty) },
  { what: "Simulate, 100,000 samples", method: "simulateAutoscaling", bytes: () => simulation },
  {
    what: "Apply, 500 specs",
    method: "apply",
    bytes: (run) =>
      apply(
        list(500, (index) => ({ ...small, name: `small-${index}`, version: `${run}` })),
        `small-${run}`,
      ),
  },
  {
    what: "Apply, 500 specs, 4 MiB",
    method: "apply",
    bytes: (run) =>
      apply(
        list(330, (index) => ({ ...full, name: `full-${index}`, version: `${run}` })),
        `full-${run}`,
      ),
  },
  {
    what: "Deploy, user_config of 30,000 numbers",
    method: "deploy",
    bytes: (run) => deploy({ name: "numbers", userConfig: config(run, 30_000, 0.5) }, `numbers-${run}`),
  },
  {
    what: "Deploy, user_config of 15,000 lists",
    method: "deploy",
    bytes: (run) => deploy({ name: "lists", userConfig: config(run, 15_000, []) }, `lists-${run}`),
  },
  {
    what: "Deploy, user_config of 1 MiB of text",
    method: "deploy",
    bytes: (run) => deploy({ name: "text", userConfig: jsonToValue("x".repeat(mebibyte - 9) + run) }, `text-${run}`),
  },
  {
    what: "ListDeployments, 1,000",
    method: "listDeployments",
    bytes: () => toBinary(ListDeploymentsRequestSchema, create(ListDeploymentsRequestSchema, { pageSize: 1_000 })),
  },
];

const simulation = toBinary(
  SimulateAutoscalingRequestSchema,
  create(SimulateAutoscalingRequestSchema, {
    autoscalingConfig: { maxReplicas: 100 },
    samples: list(100_000, (index) => ({ time: timestampFromMs(1e12 + index * 1_000), totalRequests: index % 50 })),
  }),
);

async function measure(): Promise<readonly Section[]> {
  const folder = mkdtempSync(join(tmpdir(), "drover-bench-"));
  const file = join(folder, "delay");
  const preload = join(import.meta.dirname, "programs/loop-delay.mjs");
  const drover = await Drover.start([], undefined, ["env", `NODE_OPTIONS=--import=${preload}`, `BENCH_LOOP_DELAY=${file}`]);
  const client = new Client(drover.addresses.api, credentials.createInsecure(), { "grpc.max_receive_message_length": 256 * mebibyte });
  let asked = 0;
  const longest = async (): Promise<Longest> => {
    asked += 1;
    process.kill(drover.addresses.pid, "SIGUSR2");
    return until("the controller tells its longest delay", () => {
      const [answers, delayMs = 0, cpuMs = 0] = readFileSync(file, { encoding: "utf8", flag: "a+" }).split(" ").map(Number);
      return answers === asked && { delayMs, cpuMs };
    });
  };
  try {
    const rows: string[][] = [];
    for (const { what, method, bytes } of requests) {
      const [found, answers, sizes] = [[] as Longest[], new Set<string>(), [] as number[]];
      for (let run = 0; run < times; run++) {
        const request = bytes(run);
        await longest();
        answers.add(await call(client, method, request));
        await sleep(200);
        found.push(await longest());
        sizes.push(request.length);
      }
      const [delayMs, cpuMs] = [Math.max(...found.map(({ delayMs: ms }) => ms)), Math.max(...found.map(({ cpuMs: ms }) => ms))];
      rows.push([what, figure(Math.max(...sizes) / 1024), [...answers].join(", "), figure(delayMs), figure(cpuMs)]);
    }
    return [
      { title: "Stalls under large requests", columns: ["request", "KiB", "answer", "longest stall ms", "of it CPU ms"], rows, notes },
    ];
  } finally {
    client.close();
    await drover.close();
    rmSync(folder, { recursive: true });
  }
}

/** Sends the bytes, and returns the name of the status. */
function call(client: Client, method: LargeRequest["method"], bytes: Uint8Array): Promise<string> {
  const path = `/${ControllerService.typeName}/${ControllerService.method[method].name}`;
  const buffer = Buffer.from(bytes);
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      path,
      (b: Buffer) => b,
      (b: Buffer) => b,
      buffer,
      (error) => resolve(status[error?.code ?? 0] ?? ""),
    );
  });
}

const notes = [
  `Each request ${times} times, at a real controller with its own Redis and no replicas. The stall is the longest delay of the controller's event loop, from before the request until 200 ms after its answer. What another process did in that time counts in it, but not in its CPU time. The target is below ${targetMs} ms.`,
];

await present(measure);
