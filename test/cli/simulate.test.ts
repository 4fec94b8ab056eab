import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import type { SimulateAutoscalingRequest } from "../../gen/drover/v1/controller_service_pb.ts";
import { invalid } from "../../src/core/errors.ts";
import { type ControllerHandlers, drover, folder, serve } from "./harness.ts";

const config = "min_replicas: 1\nmax_replicas: 20\ntarget_ongoing_requests: 10\nupscale_delay: 30s\n";
const spec = `name: app
version: "1"
program: { module: { path: app.ts } }
autoscaling_config:
  max_replicas: 20
  target_ongoing_requests: 10
`;
const trace = "time,requests\n0,5\n60,100\n3600,5\n";

/** Keeps what was asked; as many replicas as the load needs are wanted, and run at once. */
function simulating(asked: SimulateAutoscalingRequest[]): ControllerHandlers {
  return {
    simulateAutoscaling: (request) => {
      asked.push(request);
      const points = request.samples.map(({ time, totalRequests }) => {
        const desired = Math.max(1, Math.ceil(totalRequests / 10));
        return { time: time ?? timestampFromMs(0), totalRequests, desired, running: desired, why: "" };
      });
      return { points, replicaHours: 9.851, shortOfCapacity: { seconds: 90n, nanos: 0 }, changes: 2 };
    },
  };
}

const samplesOf = ({ samples }: SimulateAutoscalingRequest) =>
  samples.map(({ time, totalRequests }) => [time ? timestampMs(time) : Number.NaN, totalRequests]);

test("simulate asks the controller for the config and the trace, and shows what comes of it with a chart", async () => {
  const asked: SimulateAutoscalingRequest[] = [];
  const run = await serve(simulating(asked));
  const cwd = await folder({ "scaler.yaml": config, "load.csv": trace });
  const { exitCode, stdout, stderr } = await run(["simulate", "--config", "scaler.yaml", "--trace", "load.csv"], { cwd });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(asked[0]?.autoscalingConfig).toMatchObject({ minReplicas: 1, maxReplicas: 20, targetOngoingRequests: 10 });
  expect(asked[0]?.startupDelay && durationMs(asked[0].startupDelay)).toBe(10_000);
  expect(asked.map(samplesOf)).toEqual([
    [
      [0, 5],
      [60_000, 100],
      [3_600_000, 5],
    ],
  ]);
  const [head, row, empty, ...chart] = stdout.split("\n");
  expect(head).toMatch(/^LENGTH +REPLICA-HOURS +SHORT OF CAPACITY +CHANGES +MOST WANTED +HIGHEST LOAD$/);
  expect(row).toMatch(/^1h +9\.85 +1m30s \(2\.5 %\) +2 +10 +100$/);
  expect(empty).toBe("");
  expect(chart.join("\n")).toMatch(/^load \/ target_ongoing_requests\n[\s\S]*\n\nreplicas running\n[\s\S]*┏━[\s\S]*0s +12m/);
  expect(chart.every((line) => line.length <= 80)).toBe(true);
});

test("on a terminal with colours there is one chart, with a legend", async () => {
  const run = await serve(simulating([]));
  const cwd = await folder({ "scaler.yaml": config, "load.csv": trace });
  const { stdout } = await run(["simulate", "--config", "scaler.yaml", "--trace", "load.csv"], { cwd, terminal: true });
  expect(stdout.match(/0s +12m/g)).toHaveLength(1);
  expect(stdout).toMatch(/█.* load \/ target_ongoing_requests\n.*█.* replicas running\n$/);
});

test("as JSON it is the response, by proto field names", async () => {
  const run = await serve(simulating([]));
  const cwd = await folder({ "app.yaml": spec, "load.csv": "5,7\n" });
  const { stdout } = await run(["simulate", "--config", "app.yaml", "--trace", "load.csv", "-o", "json"], { cwd });
  expect(JSON.parse(stdout)).toEqual({
    points: [{ time: "1970-01-01T00:00:05Z", desired: 1, running: 1, total_requests: 7, why: "" }],
    replica_hours: 9.851,
    short_of_capacity: "90s",
    changes: 2,
  });
});

test("arrivals are requests in work for their service time, or for a duration of their own", async () => {
  const asked: SimulateAutoscalingRequest[] = [];
  const run = await serve(simulating(asked));
  const tokens = "TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01 00:00:00.0000000,374,10\n2026-01-01 00:00:00.1000000,396,60\n";
  const cwd = await folder({ "app.yaml": spec, "times.csv": "0\n0.1\n", "own.csv": "0,1\n0.1,0.4\n", "tokens.csv": tokens });
  const simulate = (...more: readonly string[]) => run(["simulate", "--config", "app.yaml", ...more], { cwd });
  await simulate("--trace", "times.csv", "--service-time", "0.5s");
  await simulate("--trace", "own.csv", "--service-time", "0.5s");
  const duration = ["--duration-column", "GeneratedTokens", "--duration-base", "0.2", "--duration-factor", "0.03"];
  await simulate("--trace", "tokens.csv", "--time-column", "TIMESTAMP", ...duration, "--startup", "0s");
  const loads = (...ends: readonly (readonly [number, number])[]) => [[0, 1], [100, 2], ...ends];
  const newYear = (samples: readonly (readonly number[])[]) => samples.map(([ms = 0, load]) => [ms + Date.UTC(2026), load]);
  expect(asked.map(samplesOf)).toEqual([loads([500, 1], [600, 0]), loads([500, 1], [1_000, 0]), newYear(loads([500, 1], [2_100, 0]))]);
});

test("a trace too long to be sent is thinned, and that is said", async () => {
  const asked: SimulateAutoscalingRequest[] = [];
  const run = await serve(simulating(asked));
  const long = Array.from({ length: 100_001 }, (_, row) => `${row / 100},1`).join("\n");
  const cwd = await folder({ "app.yaml": spec, "long.csv": long });
  const { exitCode, stderr } = await run(["simulate", "--config", "app.yaml", "--trace", "long.csv"], { cwd });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "the trace is long: only its load at every second is used\n" });
  expect(asked[0]?.samples).toHaveLength(1_001);
});

test("the picture is SVG that holds load, wanted and running, and is well formed whatever the trace is called", async () => {
  const run = await serve(simulating([]));
  const name = "a&b<c>.csv";
  const cwd = await folder({ "app.yaml": spec, [name]: trace });
  const { exitCode, stderr } = await run(["simulate", "--config", "app.yaml", "--trace", name, "--plot", "out.svg"], { cwd });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "wrote out.svg\n" });
  const svg = await readFile(join(cwd, "out.svg"), "utf8");
  expect(svg).toContain("<title>a&amp;b&lt;c&gt;.csv, replicas that start in 10s</title>");
  for (const line of ["load / target_ongoing_requests", "replicas wanted", "replicas running"]) expect(svg).toContain(line);
  // The step to ten replicas is drawn to the top.
  expect(svg).toMatch(/<path d="M60,338H75V50H980" fill="none" stroke="#31a354"/);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  const nowhere = await run(["simulate", "--config", "app.yaml", "--trace", name, "--plot", "no/out.svg"], { cwd });
  expect(nowhere).toMatchObject({ exitCode: 1, stderr: "error: cannot write no/out.svg: there is no such file\n" });
});

test.each([
  ["a field that is not", "max_replica: 3\n", "x.yaml:1: autoscaling_config.max_replica: no such field; did you mean max_replicas?"],
  [
    "a time without unit",
    "min_replicas: 1\nupscale_delay: 30\n",
    "x.yaml:2: autoscaling_config.upscale_delay: must be a time with its unit",
  ],
  ["a spec without autoscaling", "name: a\nnum_replicas: 3\n", "x.yaml: holds no autoscaling_config"],
  ["nothing", "", "x.yaml: holds no autoscaling_config"],
  ["no YAML", "a: [", "x.yaml:1: "],
  ["a wrong field of a spec", `${spec}  max_replica: 1\n`, "x.yaml:7: spec.autoscaling_config.max_replica: no such field"],
  ["two of them", `${spec}---\n${spec}`, "x.yaml: holds 2 of autoscaling_config: give a file with one"],
])("a config with %s is refused by its place", async (_, text, problem) => {
  const cwd = await folder({ "x.yaml": text, "load.csv": trace });
  const { exitCode, stdout, stderr } = await drover(["simulate", "--config", "x.yaml", "--trace", "load.csv"], { cwd });
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain(`error: ${problem}`);
});

test("a refusal of the controller is printed with its place in the file", async () => {
  const run = await serve({
    simulateAutoscaling: () => {
      throw invalid([
        { field: "autoscaling_config.max_replicas", description: "must be 1 to 10,000" },
        { field: "autoscaling_config", description: "min_replicas must not be above max_replicas" },
        { field: "samples", description: "must be of at most 7 days" },
      ]);
    },
  });
  const cwd = await folder({ "scaler.yaml": config, "app.yaml": spec, "load.csv": trace });
  const refused = async (file: string) => (await run(["simulate", "--config", file, "--trace", "load.csv"], { cwd })).stderr.split("\n");
  expect(await refused("app.yaml")).toEqual([
    "error: app.yaml:5: spec.autoscaling_config.max_replicas: must be 1 to 10,000",
    "  app.yaml:4: spec.autoscaling_config: min_replicas must not be above max_replicas",
    "  samples: must be of at most 7 days",
    "",
  ]);
  expect((await refused("scaler.yaml")).slice(0, 2)).toEqual([
    "error: scaler.yaml:2: autoscaling_config.max_replicas: must be 1 to 10,000",
    "  scaler.yaml:1: autoscaling_config: min_replicas must not be above max_replicas",
  ]);
});

test.each([
  [["--config", "app.yaml"], 2, "--trace <file>"],
  [["--config", "-", "--trace", "-"], 2, "standard input can be one of"],
  [["--config", "app.yaml", "--trace", "bad.csv"], 1, 'bad.csv:2: requests: must be a number, not "many"'],
  [["--config", "app.yaml", "--trace", "gone.csv"], 1, "cannot read gone.csv: there is no such file"],
  [["--config", "gone.yaml", "--trace", "bad.csv"], 1, "cannot read gone.yaml: there is no such file"],
  [["--config", "app.yaml", "--trace", "bad.csv", "--startup", "10"], 2, "Give a number and a unit"],
  [["--config", "app.yaml", "--trace", "bad.csv", "--duration-base", "1"], 2, "name their column with --duration-column"],
  [["--config", "app.yaml", "--trace", "bad.csv", "--service-time", "1s", "--requests-column", "2"], 2, "is for a trace of load"],
] as const)("simulate %j ends with %d before a controller is asked", async (argv, exitCode, problem) => {
  const cwd = await folder({ "app.yaml": spec, "bad.csv": "0,1\n1,many\n" });
  const run = await drover(["simulate", ...argv], { cwd });
  expect(run.exitCode).toBe(exitCode);
  expect(run.stderr).toContain(problem);
});

test("its help says what a trace is, with examples", async () => {
  const { exitCode, stdout } = await drover(["simulate", "--help"]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain("The trace is a CSV file");
  expect(stdout).toContain("$ drover simulate --config app.yaml --trace load.csv --startup 30s --plot load.svg");
});
