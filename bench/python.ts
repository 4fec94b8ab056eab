// A replica in Python: requests through the gateway, and its start.
import { dirname, join } from "node:path";
import { create, fromJson, toBinary } from "@bufbuild/protobuf";
import { timestampMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import { InvokeRequestSchema, InvokeService } from "../gen/drover/v1/invoke_service_pb.ts";
import { Drover } from "../test/e2e/drover.ts";
import { pythonToolchain } from "../test/sdk/python-toolchain.ts";
import { h2loadMissing, load } from "./h2load.ts";
import { figure, present, quick, type Section } from "./section.ts";
import { median, quantile } from "./statistics.ts";

const inFlights = [1, 64];
const maxOngoingRequests = 128;
const probeRequests = 300;
const [runSeconds, runs, starts] = quick ? [0.3, 1, 1] : [5, 3, 5];
const payload = "x".repeat(100);
const requirement = "six==1.16.0";

async function measure(): Promise<readonly Section[]> {
  const toolchain = await pythonToolchain();
  const missing = "missing" in toolchain ? toolchain.missing : h2loadMissing();
  if (missing !== "" || "missing" in toolchain) return [{ title: "Python", columns: ["not measured"], rows: [[missing]], notes: [] }];
  process.env.PATH = `${dirname(toolchain.python)}:${process.env.PATH}`;
  const drover = await Drover.start();
  try {
    return [await requests(drover), await start(drover)];
  } finally {
    await drover.close();
  }
}

const specOf = (name: string, pip: string[] = []) => {
  const argv = ["python3", "-m", "drover.replica", join(import.meta.dirname, "programs/echo.py"), "Echo"];
  const program = { kind: { case: "command" as const, value: { argv } } };
  return { name, version: "1", program, resources: { numCpus: 0.1 }, maxOngoingRequests, runtimeEnv: { pip } };
};

async function requests(drover: Drover): Promise<Section> {
  await drover.controller.deploy({ spec: specOf("echo") });
  await drover.settled("echo");
  const rows: string[][] = [];
  for (const method of ["echo", "echo_async"]) {
    if ((await drover.invoke("echo", method, payload)) !== payload) throw new Error("a wrong answer");
    const input = { case: "json" as const, value: fromJson(ValueSchema, payload) };
    const message = toBinary(InvokeRequestSchema, create(InvokeRequestSchema, { deployment: "echo", method, input }));
    const call = { address: drover.addresses.gateway, path: `/${InvokeService.typeName}/Invoke`, message, headers: {} };
    for (const inFlight of inFlights) {
      const probe = await load(call, probeRequests, inFlight);
      const count = Math.ceil((probeRequests / probe.seconds) * runSeconds);
      const found: { perSecond: number; p50Ms: number; p99Ms: number }[] = [];
      for (let run = 0; run < runs; run++) {
        const { requests, seconds, latenciesMs } = await load(call, count, inFlight);
        found.push({ perSecond: requests / seconds, p50Ms: median(latenciesMs), p99Ms: quantile(latenciesMs, 0.99) });
      }
      const of = (key: "perSecond" | "p50Ms" | "p99Ms") => median(found.map((figures) => figures[key]));
      rows.push([method, String(inFlight), figure(of("perSecond")), figure(of("p50Ms"), 2), figure(of("p99Ms"), 2)]);
    }
  }
  return {
    title: "Python replica, requests",
    columns: ["method", "in flight", "requests/s", "p50 ms", "p99 ms"],
    rows,
    notes: [
      `\`Invoke\` through the gateway of one replica in Python that returns a text of ${payload.length} bytes, by a plain method, which runs in a thread, and by an \`async\` one. Median of ${runs} runs of ${runSeconds} s.`,
    ],
  };
}

async function start(drover: Drover): Promise<Section> {
  const [plain, given]: [number[], number[]] = [[], []];
  await started(drover, "warm-up", [requirement]);
  for (let time = 1; time <= starts; time++) {
    plain.push(await started(drover, `plain-${time}`, []));
    given.push(await started(drover, `given-${time}`, [requirement]));
  }
  const row = (what: string, ms: readonly number[]) => [what, figure(median(ms)), figure(Math.max(...ms))];
  return {
    title: "Python replica, start",
    columns: ["runtime_env", "median ms", "max ms"],
    rows: [row("none", plain), row(`pip: ${requirement}, installed before`, given)],
    notes: [`\`create_time\` to \`ready_time\` of a replica that echoes, ${starts} starts each, alternating.`],
  };
}

async function started(drover: Drover, name: string, pip: string[]): Promise<number> {
  await drover.controller.deploy({ spec: specOf(name, pip) });
  await drover.settled(name);
  const [replica] = await drover.running(name);
  if (replica?.createTime === undefined || replica.readyTime === undefined) throw new Error("the replica does not run");
  await drover.controller.deleteDeployment({ name });
  return timestampMs(replica.readyTime) - timestampMs(replica.createTime);
}

await present(measure);
