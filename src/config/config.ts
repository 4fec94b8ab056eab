import { resolve } from "node:path";
import { validateDetailed } from "node-cron";
import { messageBytes } from "../core/message-bounds.ts";
import { type Address, isLoopback, parseAddress, printAddress } from "./address.ts";

/** The flags of `drover start`, as written. */
export interface Flags {
  readonly api?: string;
  readonly gateway?: string;
  readonly http?: string;
  /** May be repeated. */
  readonly httpName?: readonly string[];
  readonly redis?: string;
  readonly data?: string;
  readonly readyFile?: string;
  readonly insecure?: boolean;
  readonly keepReplicas?: boolean;
  readonly numCpus?: string;
  readonly numGpus?: string;
  readonly forgetNode?: readonly string[];
  /** `NAME=AMOUNT` each. */
  readonly resource?: readonly string[];
  readonly autoscaleCron?: string;
  readonly maxMessageBytes?: string;
  readonly bundles?: string;
  readonly logLevel?: string;
}

/** All settings of a controller. Paths are absolute. */
export interface Config {
  /** Where the controller API listens. Default: 127.0.0.1:9001. */
  readonly api: Address;
  /** Where the gateway listens. Default: 127.0.0.1:9000. */
  readonly gateway: Address;
  /** Where metrics and health are served over HTTP. Default: 127.0.0.1:9002. */
  readonly http: Address;
  /**
   * Names under which the HTTP port is reached, besides `localhost` and IP addresses. Set it if a
   * scraper or a browser uses another name: requests for other names are refused. Default: none.
   */
  readonly httpNames: readonly string[];
  /**
   * `redis:`, `rediss:` or `unix:`. Set it to share the state or to keep it on a managed Redis.
   * Default: undefined, a private redis-server under `dataDir`. May contain a password: never print
   * it.
   */
  readonly redisUrl: string | undefined;
  /** The program of the private redis-server. Default: undefined, the one on PATH. */
  readonly redisServer: string | undefined;
  readonly dataDir: string;
  /** A file that gets the addresses once everything serves. Default: undefined, none. */
  readonly readyFile: string | undefined;
  /**
   * Whether replicas keep running when the controller stops, for example during its upgrade.
   * Default: false.
   */
  readonly keepReplicas: boolean;
  /**
   * Nodes that are gone for good: what is recorded to run there counts as ended, and is replaced.
   * Default: none.
   */
  readonly forgetNodes: readonly string[];
  /** Whether other machines may connect; there is no TLS yet. Default: false. */
  readonly insecure: boolean;
  /**
   * CPUs for replicas, a multiple of 0.001, from 0 to {@link numCpusMax}. Set it to leave some to
   * other programs. Default: undefined, those of the machine.
   */
  readonly numCpus: number | undefined;
  /** GPUs for replicas, from 0 to {@link numGpusMax}. Default: undefined, those of the machine. */
  readonly numGpus: number | undefined;
  /** Resources named by the operator, in thousandths by name. Default: none. */
  readonly custom: Readonly<Record<string, number>>;
  /** When the autoscaler ticks: a cron expression with seconds. Default: every second. */
  readonly autoscaleCron: string;
  /**
   * The largest message of a request or its answer, in bytes: 64 KiB to 1 GiB. Raise it for large
   * arrays and files; a replica and the gateway may hold several messages of this size. Default:
   * 64 MiB.
   */
  readonly messageBytesMax: number;
  /**
   * Where the files of programs are kept: in the data folder, or in Redis, which is for controllers
   * that share no disk, takes its memory, and has smaller bounds. Default: the folder.
   */
  readonly bundles: BundlePlace;
  readonly logLevel: string;
}

/** Where bundles are kept. */
export type BundlePlace = (typeof bundlePlaces)[number];

type Variables = Readonly<Record<string, string | undefined>>;

/** A setting as given, and where it was given. */
interface Setting {
  /** For people: `--api` or `DROVER_API`. */
  readonly source: string;
  readonly value: string;
}

const numCpusMax = 10_000;
const numGpusMax = 1_024;
const customMax = 1_000_000;
const reserved = ["cpu", "gpu", "memory", "num_cpus", "num_gpus", "memory_bytes"];
const bundlePlaces = ["folder", "redis"] as const;
const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/**
 * Reads flags, then environment, then defaults. Returns the whole config, or every problem at once.
 * Relative paths start at `cwd`.
 */
export function readConfig(
  flags: Flags,
  env: Variables,
  cwd: string,
): { readonly config: Config } | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const report = ({ source, value }: Setting, wrong: string) => problems.push(`${source} "${value}": ${wrong}`);
  const given = (flag: string, flagValue: string | undefined, variable?: string): Setting | undefined => {
    if (flagValue !== undefined) return { source: flag, value: flagValue };
    const value = variable && env[variable];
    return variable && value ? { source: variable, value } : undefined;
  };
  const path = (setting: Setting | undefined): string | undefined => {
    if (setting?.value === "") report(setting, "must be a path");
    return setting && resolve(cwd, setting.value);
  };

  const insecure = flags.insecure ?? false;
  const address = (setting: Setting) => readAddress(setting, insecure, report);
  const redis = given("--redis", flags.redis, "DROVER_REDIS_URL");
  const redisServer = env.DROVER_REDIS_SERVER || undefined;
  const config: Config = {
    api: address(given("--api", flags.api, "DROVER_API") ?? defaults.api),
    gateway: address(given("--gateway", flags.gateway, "DROVER_GATEWAY") ?? defaults.gateway),
    http: address(given("--http", flags.http, "DROVER_HTTP") ?? defaults.http),
    httpNames: readNames(flags.httpName, env.DROVER_HTTP_NAMES, report),
    redisUrl: redis && readRedisUrl(redis, report),
    redisServer: redisServer?.includes("/") ? resolve(cwd, redisServer) : redisServer,
    dataDir: path(given("--data", flags.data, "DROVER_DATA")) ?? resolve(cwd, ".drover"),
    readyFile: path(given("--ready-file", flags.readyFile)),
    keepReplicas: flags.keepReplicas ?? false,
    forgetNodes: flags.forgetNode ?? [],
    insecure,
    numCpus: readAmount(given("--num-cpus", flags.numCpus), numCpusMax, 0.001, report),
    numGpus: readAmount(given("--num-gpus", flags.numGpus), numGpusMax, 1, report),
    custom: readCustom(flags.resource ?? [], report),
    autoscaleCron: readCron(given("--autoscale-cron", flags.autoscaleCron, "DROVER_AUTOSCALE_CRON"), report),
    messageBytesMax: readMessageBytes(given("--max-message-bytes", flags.maxMessageBytes, "DROVER_MAX_MESSAGE_BYTES"), report),
    bundles: readBundles(given("--bundles", flags.bundles, "DROVER_BUNDLES"), report),
    logLevel: readLogLevel(given("--log-level", flags.logLevel, "DROVER_LOG_LEVEL"), report),
  };
  problems.push(...sharedAddresses(config));
  return problems.length > 0 ? { problems } : { config: freeze(config) };
}

const defaults = {
  api: { source: "--api", value: "127.0.0.1:9001" },
  gateway: { source: "--gateway", value: "127.0.0.1:9000" },
  http: { source: "--http", value: "127.0.0.1:9002" },
};

type Report = (setting: Setting, wrong: string) => void;

function readAddress(setting: Setting, insecure: boolean, report: Report): Address {
  const address = parseAddress(setting.value);
  // Port 0 is never reported as shared, so it stands for an address whose problem is already
  // reported.
  if (typeof address === "string") {
    report(setting, address);
    return { host: "", port: 0 };
  }
  if (!insecure && !isLoopback(address.host))
    report(setting, "is not a loopback address, and there is no TLS yet: use 127.0.0.1, [::1] or localhost, or allow it with --insecure");
  return address;
}

function readRedisUrl(setting: Setting, report: Report): string {
  const { protocol, hostname, pathname } = URL.canParse(setting.value) ? new URL(setting.value) : {};
  const ok =
    protocol === "unix:"
      ? pathname?.startsWith("/") && pathname !== "/"
      : protocol === "redis:" || protocol === "rediss:"
        ? hostname
        : false;
  if (!ok)
    report(
      { ...setting, value: hidePassword(setting.value) },
      'must be "redis://host:port", "rediss://host:port" (TLS) or "unix:/path/to/socket"',
    );
  return setting.value;
}

/** The URL without user name and password. */
export function hidePassword(url: string): string {
  if (url.startsWith("unix:")) return url.replace(/\?.*$/s, "");
  return url.replace(/^([a-z]+:)?(\/\/)?.*@/is, "$1$2***@").replace(/\?.*$/s, "");
}

function readAmount(setting: Setting | undefined, max: number, step: number, report: Report): number | undefined {
  if (!setting) return undefined;
  const amount = /^\d{1,9}(\.\d{1,9})?$/.test(setting.value) ? Number(setting.value) : Number.NaN;
  const whole = step === 1 ? amount : Math.round(amount * 1000) / 1000;
  if (!(amount <= max && whole === amount && (step !== 1 || Number.isInteger(amount))))
    report(setting, `must be ${step === 1 ? "a whole number" : "a multiple of 0.001"} from 0 to ${max.toLocaleString("en")}`);
  return amount;
}

/** Reads names of hosts: flags, else the variable, which has them with commas in between. */
function readNames(flags: readonly string[] | undefined, variable: string | undefined, report: Report): readonly string[] {
  const source = flags === undefined ? "DROVER_HTTP_NAMES" : "--http-name";
  const names = flags ?? variable?.split(",").flatMap((name) => name.trim() || []) ?? [];
  for (const value of names)
    if (!/^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/i.test(value))
      report({ source, value }, "must be the name of a host without a port, such as metrics.example.com");
  return names;
}

/** Reads `NAME=AMOUNT` settings into thousandths by name. */
function readCustom(settings: readonly string[], report: Report): Readonly<Record<string, number>> {
  const amounts: Record<string, number> = {};
  for (const value of settings) {
    const [, name, amount] = /^([a-z](?:[a-z0-9_.-]{0,61}[a-z0-9])?)=(\d{1,7}(?:\.\d{1,3})?)$/.exec(value) ?? [];
    const setting = { source: "--resource", value };
    if (name === undefined || Number(amount) > customMax)
      report(
        setting,
        `must be NAME=AMOUNT, such as tpu=4: a name of lower-case letters, digits, ".", "_" and "-", and an amount up to ${customMax.toLocaleString("en")} in thousandths`,
      );
    else if (reserved.includes(name)) report(setting, "is the name of a resource that every machine has: take another one");
    else if (Object.hasOwn(amounts, name)) report(setting, "names a resource twice");
    else amounts[name] = Math.round(Number(amount) * 1_000);
  }
  return amounts;
}

function readCron(setting: Setting | undefined, report: Report): string {
  if (!setting) return "* * * * * *";
  const { valid, errors } = validateDetailed(setting.value);
  if (!valid)
    report(
      setting,
      `must be a cron expression, such as "*/2 * * * * *" for every other second: ${errors.map(({ message }) => message).join("; ")}`,
    );
  return setting.value;
}

const byteUnits: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

function readMessageBytes(setting: Setting | undefined, report: Report): number {
  if (!setting) return messageBytes.default;
  const { min, max } = messageBytes;
  const [, count, unit = ""] = /^(\d{1,10})([KMG]iB)?$/.exec(setting.value) ?? [];
  const bytes = Number(count) * (byteUnits[unit] ?? 1);
  if (!(bytes >= min && bytes <= max)) report(setting, "must be 64KiB to 1GiB, or as many bytes as a number");
  return bytes;
}

function readBundles(setting: Setting | undefined, report: Report): BundlePlace {
  const place = bundlePlaces.find((one) => one === (setting?.value ?? "folder"));
  if (place === undefined && setting) report(setting, `must be one of ${bundlePlaces.join(", ")}`);
  return place ?? "folder";
}

function readLogLevel(setting: Setting | undefined, report: Report): string {
  if (!setting) return "info";
  if (!logLevels.includes(setting.value)) report(setting, `must be one of ${logLevels.join(", ")}`);
  return setting.value;
}

function sharedAddresses({ api, gateway, http }: Config): string[] {
  const servers = Object.entries({ api, gateway, http }).filter(([, address]) => address.port !== 0);
  return servers.flatMap(([name, address], at) =>
    servers
      .slice(at + 1)
      .filter(([, other]) => printAddress(other) === printAddress(address))
      .map(([other]) => `--${name} and --${other} are both ${printAddress(address)}: give one of them another port`),
  );
}

function freeze(config: Config): Config {
  for (const part of [config.api, config.gateway, config.http, config.httpNames]) Object.freeze(part);
  return Object.freeze(config);
}
