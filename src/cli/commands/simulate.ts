import { writeFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { durationFromMs, durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError, Option } from "commander";
import { type SimulateAutoscalingResponse, SimulateAutoscalingResponseSchema } from "../../../gen/drover/v1/controller_service_pb.ts";
import type { AutoscalingConfig } from "../../../gen/drover/v1/deployment_pb.ts";
import { StatusError } from "../../core/errors.ts";
import { parseDurationMs } from "../../program/parse-duration.ts";
import { CliError, exitCodes, usage } from "../cli-error.ts";
import { type AddCommand, examples, type Format, outputOption, readAmount } from "../command.ts";
import { printDuration } from "../duration.ts";
import { reasonOf } from "../input.ts";
import { loadOfArrivals, loadOfSamples, type TraceSample, thinned } from "../load-trace.ts";
import { messageJson, printJson, tableText } from "../print.ts";
import { type LoadedScaler, readScalerFile } from "../scaler-file.ts";
import type { Session } from "../session.ts";
import { columnsOf } from "../simulation.ts";
import { chartText, chartWidth } from "../simulation-chart.ts";
import { simulationSvg, svgColumns } from "../simulation-svg.ts";
import { readText } from "../spec-file.ts";
import { parseTrace } from "../trace-file.ts";

interface TraceFlags {
  readonly trace: string;
  readonly timeColumn?: string;
  readonly requestsColumn?: string;
  /** Milliseconds. */
  readonly serviceTime?: number;
  readonly durationColumn?: string;
  /** Seconds. */
  readonly durationBase?: number;
  readonly durationFactor?: number;
}

interface SimulateFlags extends TraceFlags {
  readonly config: string;
  /** Milliseconds. */
  readonly startup: number;
  readonly plot?: string;
  readonly output: Format;
}

const traceBytesMax = 128 * 1024 * 1024;
/** A week is simulated second by second. */
const simulationMs = 120_000;
/** The default of `target_ongoing_requests`. */
const targetDefault = 2;

const help = `
The trace is a CSV file, with or without a header: time (seconds, or ISO 8601, which is UTC where it names no zone) and requests, those in
work and waiting from that time on, until the last row. Or each row is the arrival of one request: a time alone, with --service-time; or a
time and its own duration in seconds, as the column "duration" or --duration-column says; it takes base + factor × that.
`;

/** `drover simulate`: what the autoscaler would do for a load. */
export const addSimulate: AddCommand = (program, act) => {
  program
    .command("simulate")
    .description("show how many replicas the autoscaler would run for a recorded load, without running any")
    .requiredOption("--config <file>", "YAML or JSON of an autoscaling_config, or of a deployment's spec with one; - is standard input")
    .requiredOption("--trace <file>", "the load, as CSV")
    .addOption(new Option("--startup <time>", "how long a replica takes to start").argParser(readTime).default(10_000, "10s"))
    .addOption(new Option("--service-time <time>", "rows are arrivals; each request takes so long").argParser(readTime))
    .option("--time-column <column>", "the column of times: its name, or its number from 1")
    .option("--requests-column <column>", "the column of requests")
    .option("--duration-column <column>", "rows are arrivals; the column of how long each request takes, in seconds")
    .option("--duration-base <seconds>", "added to each duration (0)", readAmount)
    .option("--duration-factor <number>", "what the column is multiplied by (1)", readAmount)
    .option("--plot <file>", "write a picture of it as SVG")
    .addOption(outputOption("text"))
    .addHelpText(
      "after",
      help +
        examples(
          "drover simulate --config app.yaml --trace load.csv --startup 30s --plot load.svg",
          "drover simulate --config app.yaml --trace arrivals.csv --service-time 0.5s",
          "drover simulate --config app.yaml --trace llm.csv --time-column TIMESTAMP \\\n      --duration-column GeneratedTokens --duration-base 0.2 --duration-factor 0.03",
        ),
    )
    .action(
      act(async (session, flags: SimulateFlags) => {
        if (flags.config === "-" && flags.trace === "-") throw usage("standard input can be one of --config and --trace, not both");
        const scaler = await readScalerFile(flags.config, session.io);
        const { samples, everySeconds } = thinned(await readLoad(session, flags));
        if (everySeconds !== undefined)
          session.note(`the trace is long: only its load at every ${everySeconds === 1 ? "second" : `${everySeconds} seconds`} is used`);
        const answer = await simulate(session, scaler, samples, flags.startup);
        if (flags.plot !== undefined) await writePlot(session, flags.plot, answer, samples, { ...flags, config: scaler.config });
        if (flags.output === "json") printJson(session, messageJson(SimulateAutoscalingResponseSchema, answer));
        else printSimulation(session, answer, samples, scaler.config);
        return exitCodes.done;
      }),
    );
};

/** Reads a time, 0 or more. */
function readTime(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new InvalidArgumentError("Give a number and a unit (ms, s, m, h), for example 10s.");
  return ms;
}

/** The load in the trace. */
async function readLoad({ io }: Session, flags: TraceFlags): Promise<readonly TraceSample[]> {
  const { trace, timeColumn: time, serviceTime, durationColumn, durationBase, durationFactor } = flags;
  const arrivals = serviceTime !== undefined || durationColumn !== undefined;
  if (arrivals && flags.requestsColumn !== undefined)
    throw usage("--requests-column is for a trace of load, --service-time and --duration-column for one of arrivals");
  if (!arrivals && (durationBase !== undefined || durationFactor !== undefined))
    throw usage("--duration-base and --duration-factor are for durations: name their column with --duration-column");
  const text = await readText(trace, io, traceBytesMax);
  if (!arrivals) {
    const rows = parseTrace(trace, text, { time, value: flags.requestsColumn, standard: "requests", required: true });
    return loadOfSamples(trace, rows);
  }
  const rows = parseTrace(trace, text, { time, value: durationColumn, standard: "duration", required: false });
  return loadOfArrivals(rows, ({ value }) =>
    value === undefined ? (serviceTime ?? 0) : 1_000 * ((durationBase ?? 0) + (durationFactor ?? 1) * value),
  );
}

async function simulate(
  session: Session,
  { config, placeOf }: LoadedScaler,
  samples: readonly TraceSample[],
  startupMs: number,
): Promise<SimulateAutoscalingResponse> {
  const request = {
    autoscalingConfig: config,
    samples: samples.map(({ timeMs, load }) => ({ time: timestampFromMs(timeMs), totalRequests: load })),
    startupDelay: durationFromMs(startupMs),
  };
  try {
    return await session.controller().simulateAutoscaling(request, session.within(simulationMs));
  } catch (error) {
    const violations = (error instanceof StatusError && error.facts.violations) || [];
    if (violations.length === 0) throw error;
    throw new CliError(
      violations.map(({ field, description }) => `${field.startsWith("autoscaling_config") ? placeOf(field) : field}: ${description}`),
    );
  }
}

async function writePlot(
  session: Session,
  file: string,
  { points }: SimulateAutoscalingResponse,
  samples: readonly TraceSample[],
  { config, trace, startup }: { readonly config: AutoscalingConfig; readonly trace: string; readonly startup: number },
): Promise<void> {
  const columns = columnsOf(points, config.targetOngoingRequests ?? targetDefault, svgColumns);
  const title = `${basename(trace)}, replicas that start in ${printDuration(startup)}`;
  try {
    await writeFile(resolve(session.io.cwd, file), simulationSvg(columns, lengthOf(samples), title));
  } catch (cause) {
    throw new CliError(`cannot write ${file}: ${reasonOf(cause)}`);
  }
  session.note(`wrote ${file}`);
}

function printSimulation(
  session: Session,
  { points, replicaHours, shortOfCapacity, changes }: SimulateAutoscalingResponse,
  samples: readonly TraceSample[],
  { targetOngoingRequests: target = targetDefault }: AutoscalingConfig,
): void {
  const { colors, io } = session;
  const lengthMs = lengthOf(samples);
  const shortMs = shortOfCapacity ? durationMs(shortOfCapacity) : 0;
  const share = lengthMs > 0 ? ` (${((100 * shortMs) / lengthMs).toFixed(1)} %)` : "";
  const highestLoad = samples.reduce((most, { load }) => Math.max(most, load), 0);
  const highest = points.reduce((most, { desired }) => Math.max(most, desired), 0);
  const head = ["LENGTH", "REPLICA-HOURS", "SHORT OF CAPACITY", "CHANGES", "MOST WANTED", "HIGHEST LOAD"];
  const short = `${printDuration(shortMs)}${share}`;
  const row = [printDuration(lengthMs), replicaHours.toFixed(2), short, String(changes), String(highest), String(rounded(highestLoad))];
  session.print(tableText(colors, head, [row]));
  session.print(`\n${chartText(columnsOf(points, target, chartWidth(io.stdout)), colors)}`);
}

const lengthOf = (samples: readonly TraceSample[]): number => (samples.at(-1)?.timeMs ?? 0) - (samples[0]?.timeMs ?? 0);
const rounded = (value: number): number => Math.round(value * 100) / 100;
