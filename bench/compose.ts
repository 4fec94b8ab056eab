// Programs that call programs: what a call by a handle adds to the request that it is made in.
import { dirname, join } from "node:path";
import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { InvokeRequestSchema, InvokeService } from "../gen/drover/v1/invoke_service_pb.ts";
import { Channel } from "../src/rpc/channel.ts";
import { jsonToValue, valueToJson } from "../src/rpc/json-value.ts";
import { Drover } from "../test/e2e/drover.ts";
import { pythonToolchain } from "../test/sdk/python-toolchain.ts";
import { type Call, h2loadMissing, type Load, load, type TextPost } from "./h2load.ts";
import { type RayChain, startRayChain } from "./ray-chain.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const inFlights = [1, 64];
/** More than h2load has in flight, as for the other requests. */
const maxOngoingRequests = 128;
const probeRequests = 300;
const [warmUpSeconds, runSeconds, runs] = quick ? [0.2, 0.3, 1] : [2, 4, 5];
const payload = "x".repeat(100);
/** An image of 224 by 224 in three colours. */
const numbers = 150_528;
const arrayCalls = quick ? 20 : 500;
const [parallelCalls, waitSeconds] = [10, 1];

/** One of the languages, or Ray Serve, with the requests to compare. */
interface Chain {
  readonly name: string;
  /** The first makes no call. */
  readonly ways: readonly { readonly way: string; readonly call: Call | TextPost }[];
}

interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function measure(): Promise<readonly Section[]> {
  const missing = h2loadMissing();
  if (missing !== "") return [{ title: "Programs that call programs", columns: ["not measured"], rows: [[missing]], notes: [] }];
  const toolchain = await pythonToolchain();
  if ("python" in toolchain) process.env.PATH = `${dirname(toolchain.python)}:${process.env.PATH}`;
  const programs = ["TypeScript", ...("python" in toolchain ? ["Python"] : [])];
  const without = "missing" in toolchain ? [`Without Python: ${toolchain.missing}.`] : [];
  const found = { chains: [] as string[][], values: [] as string[][] };
  for (const name of programs) {
    const drover = await started(name);
    try {
      found.chains.push(...(await rowsOf({ name, ways: waysOf(drover.addresses.gateway) })));
      found.values.push(...(await valueRows(name, drover)));
    } finally {
      await drover.close();
    }
  }
  found.chains.push(...(await rayRows()));
  return [
    { title: "Programs that call programs", columns: chainColumns, rows: found.chains, notes: [...chainNotes, ...without] },
    { title: "Values and calls at the same time", columns: valueColumns, rows: found.values, notes: [...valueNotes, ...without] },
  ];
}

/** A controller with the two deployments of a language. */
async function started(name: string): Promise<Drover> {
  const drover = await Drover.start();
  const path = join(import.meta.dirname, `programs/chain.${name === "Python" ? "py" : "ts"}`);
  const deploy = async (deployment: string, exportName: string, initArgs = {}) => {
    const program = { kind: { case: "module" as const, value: { path, exportName } } };
    const spec = { name: deployment, version: "1", program, resources: { numCpus: 0.1 }, maxOngoingRequests, initArgs };
    await drover.controller.deploy({ spec });
    await drover.settled(deployment);
  };
  const [leaf, front] = name === "Python" ? ["Leaf", "Front"] : ["leaf", "front"];
  await deploy("leaf", leaf!);
  await deploy("front", front!, { leaf: { $deployment: "leaf" } });
  for (const way of ["one", "direct", "gateway"])
    if ((await drover.invoke("front", way, payload)) !== payload) throw new Error(`a wrong answer of ${way}`);
  return drover;
}

function waysOf(gateway: string): Chain["ways"] {
  const input = { case: "json" as const, value: fromJson(ValueSchema, payload) };
  const callOf = (method: string): Call => {
    const message = toBinary(InvokeRequestSchema, create(InvokeRequestSchema, { deployment: "front", method, input }));
    return { address: gateway, path: `/${InvokeService.typeName}/Invoke`, message, headers: {} };
  };
  return [
    { way: "none", call: callOf("one") },
    { way: "direct", call: callOf("direct") },
    { way: "gateway", call: callOf("gateway") },
  ];
}

/** The ways take turns, run by run: what disturbs the machine disturbs all of them. */
async function rowsOf({ name, ways }: Chain): Promise<string[][]> {
  const rows: string[][] = [];
  for (const inFlight of inFlights) {
    const counts: number[] = [];
    for (const { call } of ways) {
      // A connection of h2load that has no request to make is an error.
      const within = (seconds: number, rate: Load) => Math.max(inFlight, Math.ceil((rate.requests / rate.seconds) * seconds));
      const probe = await load(call, probeRequests, inFlight);
      const warm = await load(call, within(warmUpSeconds, probe), inFlight);
      counts.push(within(runSeconds, warm));
    }
    const found = ways.map((): Figures[] => []);
    for (let run = 0; run < runs; run++)
      for (const [index, { call }] of ways.entries()) {
        const { requests, seconds, latenciesMs } = await load(call, counts[index]!, inFlight);
        found[index]!.push({ perSecond: requests / seconds, p50Ms: median(latenciesMs), p99Ms: quantile(latenciesMs, 0.99) });
      }
    const medians = found.map((figures) => (key: keyof Figures) => median(figures.map((each) => each[key])));
    const alone = medians[0]!("p50Ms");
    for (const [index, of] of medians.entries()) {
      const added = index > 0 && inFlight === 1 ? figure(of("p50Ms") - alone, 2) : "";
      const row = [
        name,
        ways[index]!.way,
        String(inFlight),
        figure(of("perSecond")),
        figure(of("p50Ms"), 2),
        figure(of("p99Ms"), 2),
        added,
      ];
      rows.push(row);
    }
  }
  return rows;
}

async function rayRows(): Promise<string[][]> {
  const python = process.env.DROVER_RAY_PYTHON;
  if (!python) return [];
  const ray: RayChain = await startRayChain(python);
  try {
    const post = (path: string): TextPost => ({ address: ray.address, path, text: payload });
    const ways = [
      { way: "none", call: post("/one") },
      { way: "handle", call: post("/chain") },
    ];
    return await rowsOf({ name: "Ray Serve", ways });
  } finally {
    await ray.close();
  }
}

async function valueRows(name: string, drover: Drover): Promise<string[][]> {
  const channel = new Channel(drover.addresses.gateway);
  const ask = async (method: string, ...given: readonly unknown[]) => {
    const input = { case: "arguments" as const, value: { positional: given.map((value) => jsonToValue(value)) } };
    const { output } = await channel.client(InvokeService).invoke({ deployment: "front", method, input });
    return output.case === "json" ? valueToJson(output.value) : undefined;
  };
  try {
    const seconds: number[] = [];
    for (let run = 0; run < runs; run++) seconds.push((await ask("parallel", parallelCalls, waitSeconds)) as number);
    const array = async (direct: boolean) => {
      await ask("arrays", Math.ceil(arrayCalls / 5), numbers, direct);
      return (await ask("arrays", arrayCalls, numbers, direct)) as readonly number[];
    };
    const row = (what: string, ms: readonly number[]) => [name, what, figure(median(ms), 2), figure(quantile(ms, 0.99), 2)];
    return [
      row("array, direct", await array(true)),
      row("array, gateway", await array(false)),
      row(
        "at the same time",
        seconds.map((each) => each * 1_000),
      ),
    ];
  } finally {
    channel.close();
  }
}

const chainColumns = ["programs", "call inside", "in flight", "requests/s", "p50 ms", "p99 ms", "added p50 ms"];
const chainNotes = [
  `A text of ${payload.length} bytes is sent through the gateway to a replica that returns it by itself ("none"), or that calls a second replica by a handle, which returns it: directly, or through the gateway. Python's methods are \`async\`. Median of ${runs} runs of ${runSeconds} s, which take turns, after ${warmUpSeconds} s of warm-up. What is added is the p50 less that of the request without a call.`,
  process.env.DROVER_RAY_PYTHON
    ? "Ray Serve: the same program with the same bounds, called by HTTP/1.1 through its proxy, which is its usual entrance; the entrances differ, and so the rows without a call do, too."
    : "Ray Serve was not measured: no `DROVER_RAY_PYTHON`.",
];
const valueColumns = ["programs", "call", "p50 ms", "p99 ms"];
const valueNotes = [
  `Measured in the program that calls. Array: an array of ${figure(numbers)} float32 (${figure((numbers * 4) / 1024)} KiB) is the argument, and the answer is its size: ${arrayCalls} calls one after the other. The target is below 2 ms.`,
  `At the same time: ${parallelCalls} calls of ${waitSeconds} s from one \`async\` method, ${runs} times. The target is 1.0 to 1.2 s.`,
];

await present(measure);
