import type { Aggregation } from "../core/autoscaling-config.ts";
import { isInexact, type Json, type JsonObject, jsonLevelsMax } from "../core/json.ts";
import type { RolloutStrategy } from "../core/rollout-policy.ts";
import { autoscalingOfAuto } from "./auto-replicas.ts";
import { fieldHint, type KnownFields } from "./field-hint.ts";
import { millisecondsOf, protoDuration } from "./parse-duration.ts";

/** A time: `"20s"`, `"500ms"`, `"10m"`, `"1h30m"`, or a number of seconds. */
export type Duration = string | number;

/**
 * The options of a deployment in code: a `DeploymentSpec` in camelCase, without the program. Ranges
 * and defaults are those of `deployment.proto`.
 */
export interface DeploymentOptions {
  /** Default: the name of the class or function, in kebab-case. */
  readonly name?: string;
  readonly version?: string;
  /** The application that it is a part of. Default: the one that it is deployed with, if any. */
  readonly application?: string;
  /** The argument of the constructor, or of the static `create`. */
  readonly initArgs?: JsonObject;
  readonly runtimeEnv?: {
    readonly workingDir?: string;
    readonly envVars?: Readonly<Record<string, string>>;
    readonly npm?: readonly string[];
    readonly pip?: readonly string[];
    /** The digest of a bundle that was made before. Default: what is deployed makes its own. */
    readonly bundle?: string;
    /**
     * The file that names the exact packages to install, relative to the bundle's folder. Default:
     * the lockfile of the program's language there, if any.
     */
    readonly lockfile?: string;
    /** The container image to run in. */
    readonly image?: string;
  };
  /** `"auto"`: from 1 to 100, by the load; what `autoscalingConfig` says of them wins. */
  readonly numReplicas?: number | "auto";
  readonly resources?: {
    readonly numCpus?: number;
    readonly numGpus?: number;
    readonly memoryBytes?: number;
    readonly custom?: Readonly<Record<string, number>>;
  };
  readonly maxOngoingRequests?: number;
  /** Default: no bound. */
  readonly maxQueuedRequests?: number;
  /** Bytes: 64 KiB to 1 GiB. Default, and the most that takes effect: the controller's bound. */
  readonly maxMessageBytes?: number;
  /** The argument of the program's `reconfigure`. */
  readonly userConfig?: Json;
  readonly healthCheck?: { readonly period?: Duration; readonly timeout?: Duration; readonly failureThreshold?: number };
  readonly gracefulShutdownTimeout?: Duration;
  readonly startupTimeout?: Duration;
  readonly requestTimeout?: Duration;
  readonly labels?: Readonly<Record<string, string>>;
  /** How the number of replicas follows the load, instead of `numReplicas`. */
  readonly autoscalingConfig?: {
    readonly minReplicas?: number;
    readonly maxReplicas?: number;
    readonly initialReplicas?: number;
    /** Spare replicas above what the load needs. */
    readonly bufferReplicas?: number;
    readonly targetOngoingRequests?: number;
    readonly upscaleDelay?: Duration;
    readonly downscaleDelay?: Duration;
    readonly downscaleToZeroDelay?: Duration;
    readonly upscalingFactor?: number;
    readonly downscalingFactor?: number;
    readonly lookBackPeriod?: Duration;
    readonly metricsInterval?: Duration;
    readonly aggregation?: Aggregation;
    readonly burst?: { readonly window?: Duration; readonly threshold?: number; readonly disabled?: boolean };
    readonly schedules?: readonly {
      readonly cron: string;
      readonly timeZone?: string;
      readonly minReplicas: number;
      readonly duration: Duration;
    }[];
  };
  /** How replicas of a new revision replace the others. */
  readonly rollout?: {
    readonly maxUnavailablePercent?: number;
    readonly maxSurgePercent?: number;
    readonly strategy?: RolloutStrategy;
    readonly minReadyTime?: Duration;
    readonly progressDeadline?: Duration;
    readonly maxStartFailures?: number;
    readonly autoRollback?: boolean;
  };
}

/** Checks a value's type and returns it as proto JSON; throws a TypeError that names the option. */
interface Reader {
  (value: unknown, option: string): Json;
  /** The options in it. */
  readonly inner?: KnownFields;
}

const readers: { readonly [K in keyof Required<DeploymentOptions>]: Reader } = {
  name: readString,
  version: readString,
  application: readString,
  initArgs: (value, option) => (isPlainObject(value) ? readJson(value, option) : fail(option, "a JSON object", value)),
  runtimeEnv: record({
    workingDir: readString,
    envVars: mapOf(readString),
    npm: list(readString),
    pip: list(readString),
    bundle: readString,
    lockfile: readString,
    image: readString,
  }),
  numReplicas: (value, option) => (value === "auto" ? value : readInteger(value, option)),
  resources: record({ numCpus: readNumber, numGpus: readNumber, memoryBytes: readInteger, custom: mapOf(readNumber) }),
  maxOngoingRequests: readInteger,
  maxQueuedRequests: readInteger,
  maxMessageBytes: readInteger,
  userConfig: readJson,
  healthCheck: record({ period: readDuration, timeout: readDuration, failureThreshold: readInteger }),
  gracefulShutdownTimeout: readDuration,
  startupTimeout: readDuration,
  requestTimeout: readDuration,
  labels: mapOf(readString),
  autoscalingConfig: record({
    minReplicas: readInteger,
    maxReplicas: readInteger,
    initialReplicas: readInteger,
    bufferReplicas: readInteger,
    targetOngoingRequests: readNumber,
    upscaleDelay: readDuration,
    downscaleDelay: readDuration,
    downscaleToZeroDelay: readDuration,
    upscalingFactor: readNumber,
    downscalingFactor: readNumber,
    lookBackPeriod: readDuration,
    metricsInterval: readDuration,
    aggregation: readOneOf("AGGREGATION", "MEAN", "MAX", "MIN"),
    burst: record({ window: readDuration, threshold: readNumber, disabled: readBoolean }),
    schedules: list(record({ cron: readString, timeZone: readString, minReplicas: readInteger, duration: readDuration })),
  }),
  rollout: record({
    maxUnavailablePercent: readInteger,
    maxSurgePercent: readInteger,
    strategy: readOneOf("ROLLOUT_STRATEGY", "AUTO", "AVAILABILITY"),
    minReadyTime: readDuration,
    progressDeadline: readDuration,
    maxStartFailures: readInteger,
    autoRollback: readBoolean,
  }),
};

const readOptions = record(readers);

/**
 * The options as proto JSON of a `DeploymentSpec`. Throws a TypeError that names the first option
 * that is unknown or of the wrong type.
 */
export function optionsJson(options: DeploymentOptions): JsonObject {
  const read = readOptions(options, "") as JsonObject;
  if (read.numReplicas !== "auto") return read;
  const { numReplicas, ...rest } = read;
  return { ...rest, autoscalingConfig: autoscalingOfAuto(read.autoscalingConfig, camel) };
}

/** Whether `value` is an object with no class of its own. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function record(fields: Readonly<Record<string, Reader>>): Reader {
  const inner: KnownFields = Object.fromEntries(Object.entries(fields).map(([name, reader]) => [snake(name), reader.inner ?? {}]));
  const read = (value: unknown, option: string): Json => {
    if (!isPlainObject(value)) return fail(option || "options", "an object", value);
    const read: Record<string, Json> = {};
    for (const [name, given] of Object.entries(value)) {
      const path = option ? `${option}.${name}` : name;
      const reader = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (!reader) throw new TypeError(`deployment option ${path}: there is no such option; ${fieldHint(snake(name), inner, camel)}`);
      if (given !== undefined) read[name] = reader(given, path);
    }
    return read;
  };
  return Object.assign(read, { inner });
}

function snake(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
}

function camel(path: string): string {
  return path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function readString(value: unknown, option: string): string {
  if (typeof value !== "string") return fail(option, "a string", value);
  return value.isWellFormed() ? value : fail(option, "text without half characters (lone surrogates)", value);
}

function readNumber(value: unknown, option: string): number {
  return typeof value === "number" && Number.isFinite(value) ? value : fail(option, "a finite number", value);
}

function readInteger(value: unknown, option: string): number {
  return Number.isSafeInteger(value) ? (value as number) : fail(option, "a whole number", value);
}

function readBoolean(value: unknown, option: string): boolean {
  return typeof value === "boolean" ? value : fail(option, "true or false", value);
}

/** Reads one of some names, and returns its name in the proto, which begins with `prefix`. */
function readOneOf(prefix: string, ...names: readonly string[]): Reader {
  return (value, option) =>
    typeof value === "string" && names.includes(value) ? `${prefix}_${value}` : fail(option, names.join(" or "), value);
}

function list(item: Reader): Reader {
  return (value, option) =>
    Array.isArray(value) ? value.map((one, index) => item(one, `${option}[${index}]`)) : fail(option, "a list", value);
}

function readDuration(value: unknown, option: string): string {
  if (typeof value === "string" && /^\d+(\.\d{1,9})?s$/.test(value)) return value;
  const ms = millisecondsOf(value);
  return ms === undefined ? fail(option, 'a time: seconds as a number, or text like "1.5s", "10m" or "1h30m"', value) : protoDuration(ms);
}

function mapOf(item: Reader): Reader {
  return (value, option) => {
    if (!isPlainObject(value)) return fail(option, "an object", value);
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [readString(name, option), item(one, `${option}.${name}`)]));
  };
}

/**
 * A deep copy of a JSON value; undefined members are left out. The bound on levels also catches an
 * object that contains itself.
 */
function readJson(value: unknown, option: string, depth = 0): Json {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return readString(value, option);
  if (typeof value === "number") {
    return isInexact(value) ? fail(option, "a number of at most 2^53, or text", value) : readNumber(value, option);
  }
  if (depth === jsonLevelsMax) return fail(option, `JSON of at most ${jsonLevelsMax} levels`, value);
  if (Array.isArray(value)) return value.map((item, index) => readJson(item, `${option}[${index}]`, depth + 1));
  if (!isPlainObject(value)) return fail(option, "a JSON value", value);
  const given = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(given.map(([name, member]) => [readString(name, option), readJson(member, `${option}.${name}`, depth + 1)]));
}

function fail(option: string, wanted: string, value: unknown): never {
  throw new TypeError(`deployment option ${option}: must be ${wanted}, not ${describe(value)}`);
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "a list";
  if (typeof value !== "object") return `a ${typeof value}`;
  return isPlainObject(value) ? "an object" : `a ${value.constructor?.name || "object"}`;
}
