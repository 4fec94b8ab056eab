// The cost of a request: unary Invoke and a call of a generated service, directly to one replica
// and through the gateway.
import { join } from "node:path";
import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { GreeterService, GreetRequestSchema } from "../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { ReplicaService } from "../gen/drover/replica/v1/replica_service_pb.ts";
import { InvokeRequestSchema, InvokeService } from "../gen/drover/v1/invoke_service_pb.ts";
import { Channel } from "../src/rpc/channel.ts";
import { Drover, root, until } from "../test/e2e/drover.ts";
import { type Call, load } from "./h2load.ts";
import { cpuMsOf } from "./process-facts.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const name = "greeter";
/** The name to greet, which makes requests and responses of about 100 bytes. */
const payload = "x".repeat(100);
const inFlights = [1, 64];
/**
 * More than h2load has in flight, because a request may arrive before the previous one has been
 * counted as ended.
 */
const maxOngoingRequests = 128;
const probeRequests = 500;
const [warmUpSeconds, runSeconds, runs] = quick ? [0.2, 0.3, 1] : [3, 5, 3];

/** A kind of request and its path. */
interface Case {
  readonly what: string;
  readonly where: "direct" | "gateway";
  readonly call: Call;
}

interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time per request, microseconds. */
  readonly replicaUs: number;
  readonly controllerUs: number;
  readonly clientUs: number;
}

async function measure(): Promise<readonly Section[]> {
  const drover = await Drover.start();
  try {
    const path = join(root, "examples/greeter/greeter.ts");
    const program = { kind: { case: "module" as const, value: { path } } };
    await drover.controller.deploy({ spec: { name, version: "1", program, resources: { numCpus: 0.1 }, maxOngoingRequests } });
    await drover.settled(name);
    const [replica] = await drover.running(name);
    if (replica === undefined) throw new Error("the replica does not run");
    const processes = { replica: Number(replica.pid), controller: drover.addresses.pid };
    const counter = new Counter(replica.address);
    try {
      await checkAnswers(replica.address, drover.addresses.gateway);
      const rows: string[][] = [];
      for (const it of casesOf(replica.address, drover.addresses.gateway)) {
        for (const inFlight of inFlights) rows.push(rowOf(it, inFlight, await measureCase(it.call, inFlight, processes, counter)));
      }
      return [{ title: "Requests", columns, rows, notes }];
    } finally {
      counter.close();
    }
  } finally {
    await drover.close();
  }
}

function casesOf(replica: string, gateway: string): readonly Case[] {
  const input = { case: "json" as const, value: fromJson(ValueSchema, payload) };
  const invoke = toBinary(InvokeRequestSchema, create(InvokeRequestSchema, { deployment: name, method: "greet", input }));
  const greet = toBinary(GreetRequestSchema, create(GreetRequestSchema, { name: payload }));
  const greetPath = `/${GreeterService.typeName}/Greet`;
  return [
    {
      what: "Invoke",
      where: "direct",
      call: { address: replica, path: `/${InvokeService.typeName}/Invoke`, message: invoke, headers: {} },
    },
    {
      what: "Invoke",
      where: "gateway",
      call: { address: gateway, path: `/${InvokeService.typeName}/Invoke`, message: invoke, headers: {} },
    },
    { what: "typed", where: "direct", call: { address: replica, path: greetPath, message: greet, headers: {} } },
    {
      what: "typed",
      where: "gateway",
      call: { address: gateway, path: greetPath, message: greet, headers: { "drover-deployment": name } },
    },
  ];
}

/**
 * Checks the answers once here, because h2load checks only HTTP. The replica's counts show whether
 * all have status OK.
 */
async function checkAnswers(replica: string, gateway: string): Promise<void> {
  const [direct, routed] = [new Channel(replica), new Channel(gateway)];
  const input = { case: "json" as const, value: fromJson(ValueSchema, payload) };
  try {
    const answers = [
      (await direct.client(InvokeService).invoke({ method: "greet", input })).output.value,
      (await routed.client(InvokeService).invoke({ deployment: name, method: "greet", input })).output.value,
      (await direct.client(GreeterService).greet({ name: payload })).greeting,
      (await routed.client(GreeterService).greet({ name: payload }, { metadata: { "drover-deployment": name } })).greeting,
    ];
    for (const answer of answers)
      if (!JSON.stringify(answer).includes(`Hello, ${payload}!`)) throw new Error(`a wrong answer: ${JSON.stringify(answer)}`);
  } finally {
    direct.close();
    routed.close();
  }
}

/** Reads a replica's counts. */
class Counter {
  readonly #channel: Channel;

  constructor(address: string) {
    this.#channel = new Channel(address);
  }

  /** The requests that ended with status OK, and the others, once none is ongoing. */
  async read(): Promise<{ readonly ok: number; readonly failed: number }> {
    return until("the replica is idle", async () => {
      for await (const { ongoingRequests, completedTotal, failedTotal } of this.#channel.client(ReplicaService).watchLoad({})) {
        return ongoingRequests === 0n && { ok: Number(completedTotal), failed: Number(failedTotal) };
      }
      return false;
    });
  }

  close(): void {
    this.#channel.close();
  }
}

async function measureCase(
  call: Call,
  inFlight: number,
  processes: { readonly replica: number; readonly controller: number },
  counter: Counter,
): Promise<Figures> {
  const rate = async (requests: number) => {
    const { seconds } = await load(call, requests, inFlight);
    return requests / seconds;
  };
  const warm = await rate(Math.ceil((await rate(probeRequests)) * warmUpSeconds));
  const found: Figures[] = [];
  for (let run = 0; run < runs; run++) {
    const before = { ...(await counter.read()), replicaMs: cpuMsOf(processes.replica), controllerMs: cpuMsOf(processes.controller) };
    const { requests, seconds, latenciesMs, cpuMs } = await load(call, Math.ceil(warm * runSeconds), inFlight);
    const usEach = (ms: number) => (ms * 1_000) / requests;
    found.push({
      perSecond: requests / seconds,
      p50Ms: median(latenciesMs),
      p99Ms: quantile(latenciesMs, 0.99),
      replicaUs: usEach(cpuMsOf(processes.replica) - before.replicaMs),
      controllerUs: usEach(cpuMsOf(processes.controller) - before.controllerMs),
      clientUs: usEach(cpuMs),
    });
    const after = await counter.read();
    if (after.ok - before.ok !== requests || after.failed !== before.failed)
      throw new Error(
        `of ${requests} requests ${after.ok - before.ok} ended with OK and ${after.failed - before.failed} with another status`,
      );
  }
  const medianOf = (key: keyof Figures) => median(found.map((figures) => figures[key]));
  return {
    perSecond: medianOf("perSecond"),
    p50Ms: medianOf("p50Ms"),
    p99Ms: medianOf("p99Ms"),
    replicaUs: medianOf("replicaUs"),
    controllerUs: medianOf("controllerUs"),
    clientUs: medianOf("clientUs"),
  };
}

const columns = ["call", "path", "in flight", "requests/s", "p50 ms", "p99 ms", "replica µs", "controller µs", "h2load µs"];
const notes = [
  `A name of ${payload.length} bytes is greeted by one replica of \`examples/greeter\`. Median of ${runs} runs of ${runSeconds} s, each figure by itself, after ${warmUpSeconds} s of warm-up.`,
  "The µs are CPU time per request, user and system, of each process; the gateway is part of the controller.",
  "Every request ended with gRPC status OK: by the replica's own count.",
];

function rowOf({ what, where }: Case, inFlight: number, { perSecond, p50Ms, p99Ms, replicaUs, controllerUs, clientUs }: Figures): string[] {
  const controller = where === "direct" ? "" : figure(controllerUs);
  return [
    what,
    where,
    String(inFlight),
    figure(perSecond),
    figure(p50Ms, 2),
    figure(p99Ms, 2),
    figure(replicaUs),
    controller,
    figure(clientUs),
  ];
}

await present(measure);
