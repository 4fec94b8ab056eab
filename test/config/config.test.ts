import { expect, test } from "vitest";
import { type Config, type Flags, hidePassword, readConfig } from "../../src/config/config.ts";

type Env = Readonly<Record<string, string>>;

function configOf(flags: Flags, env: Env = {}): Config {
  const read = readConfig(flags, env, "/home/ada");
  if ("problems" in read) throw new Error(read.problems.join("\n"));
  return read.config;
}

function problemsOf(flags: Flags, env: Env = {}): readonly string[] {
  const read = readConfig(flags, env, "/home/ada");
  return "problems" in read ? read.problems : [];
}

test("without flags and environment everything has its default", () => {
  expect(configOf({})).toEqual({
    api: { host: "127.0.0.1", port: 9001 },
    gateway: { host: "127.0.0.1", port: 9000 },
    http: { host: "127.0.0.1", port: 9002 },
    httpNames: [],
    redisUrl: undefined,
    redisServer: undefined,
    dataDir: "/home/ada/.drover",
    readyFile: undefined,
    keepReplicas: false,
    forgetNodes: [],
    insecure: false,
    numCpus: undefined,
    numGpus: undefined,
    custom: {},
    autoscaleCron: "* * * * * *",
    bundles: "folder",
    messageBytesMax: 64 * 2 ** 20,
    logLevel: "info",
  });
});

test("every setting can be given by flag", () => {
  const flags: Flags = {
    api: "localhost:1",
    gateway: "[::1]:2",
    http: ":3",
    httpName: ["metrics.example.com", "drover"],
    redis: "rediss://cache:6380",
    data: "../state",
    readyFile: "ready.json",
    keepReplicas: true,
    forgetNode: ["old-1", "old-2"],
    insecure: true,
    numCpus: "1.5",
    numGpus: "2",
    resource: ["tpu=4", "slots.fast=0.5"],
    autoscaleCron: "*/2 * * * * *",
    maxMessageBytes: "1073741824",
    bundles: "redis",
    logLevel: "debug",
  };
  expect(configOf(flags)).toEqual({
    api: { host: "localhost", port: 1 },
    gateway: { host: "::1", port: 2 },
    http: { host: "127.0.0.1", port: 3 },
    httpNames: ["metrics.example.com", "drover"],
    redisUrl: "rediss://cache:6380",
    redisServer: undefined,
    dataDir: "/home/state",
    readyFile: "/home/ada/ready.json",
    keepReplicas: true,
    forgetNodes: ["old-1", "old-2"],
    insecure: true,
    numCpus: 1.5,
    numGpus: 2,
    custom: { tpu: 4_000, "slots.fast": 500 },
    autoscaleCron: "*/2 * * * * *",
    messageBytesMax: 2 ** 30,
    bundles: "redis",
    logLevel: "debug",
  });
});

test("the largest message is 64 KiB to 1 GiB, by flag or else by variable", () => {
  expect(configOf({}, { DROVER_MAX_MESSAGE_BYTES: "65536" }).messageBytesMax).toBe(65_536);
  expect(configOf({ maxMessageBytes: "70000" }, { DROVER_MAX_MESSAGE_BYTES: "65536" }).messageBytesMax).toBe(70_000);
  expect(configOf({ maxMessageBytes: "128MiB" }).messageBytesMax).toBe(128 * 1024 ** 2);
  for (const maxMessageBytes of ["65535", "1073741825", "64MB", "2GiB", "-1", "1e6"]) {
    expect(problemsOf({ maxMessageBytes })).toEqual([expect.stringContaining(`--max-message-bytes "${maxMessageBytes}"`)]);
  }
});

test.each([
  ["tpu", "NAME=AMOUNT"],
  ["Tpu=1", "NAME=AMOUNT"],
  ["tpu=-1", "NAME=AMOUNT"],
  ["tpu=0.0001", "NAME=AMOUNT"],
  ["memory=4", "every machine has"],
])("a resource of the operator's own that is none is refused: %s", (resource, text) => {
  expect(problemsOf({ resource: [resource] })).toEqual([expect.stringContaining(text)]);
});

test("every setting of the environment is read, and a flag wins over it", () => {
  const env = {
    DROVER_API: ":11",
    DROVER_GATEWAY: ":12",
    DROVER_HTTP: ":13",
    DROVER_REDIS_URL: "unix:/run/redis.sock",
    DROVER_DATA: "/var/drover",
    DROVER_LOG_LEVEL: "warn",
    DROVER_REDIS_SERVER: "bin/redis-server",
    DROVER_SOMETHING_ELSE: "ignored",
  };
  const { api, gateway, http, redisUrl, dataDir, logLevel, redisServer } = configOf({}, env);
  expect([api.port, gateway.port, http.port]).toEqual([11, 12, 13]);
  expect({ redisUrl, dataDir, logLevel, redisServer }).toEqual({
    redisUrl: "unix:/run/redis.sock",
    dataDir: "/var/drover",
    logLevel: "warn",
    redisServer: "/home/ada/bin/redis-server",
  });
  expect(configOf({ api: ":21", logLevel: "error" }, env)).toMatchObject({ api: { port: 21 }, logLevel: "error" });
});

test("names of the HTTP port are given one by one, or with commas in the variable", () => {
  const env = { DROVER_HTTP_NAMES: "a.example, b.example ," };
  expect(configOf({}, env).httpNames).toEqual(["a.example", "b.example"]);
  expect(configOf({ httpName: ["c"] }, env).httpNames).toEqual(["c"]);
  for (const name of ["", "a:80", "http://a", "*", "a b"]) expect(problemsOf({ httpName: [name] })).toHaveLength(1);
});

test("an empty variable is as good as none", () => {
  expect(configOf({}, { DROVER_HTTP_NAMES: "", DROVER_API: "", DROVER_REDIS_URL: "", DROVER_REDIS_SERVER: "" })).toEqual(configOf({}));
});

test("a redis-server without a slash is searched for on PATH", () => {
  expect(configOf({}, { DROVER_REDIS_SERVER: "redis-server-7" }).redisServer).toBe("redis-server-7");
});

test("every problem is reported at once, with the flag or variable, the value and what is allowed", () => {
  const problems = problemsOf(
    { api: "nine", http: "localhost:70000", numCpus: "-1", numGpus: "0.5", logLevel: "loud" },
    { DROVER_GATEWAY: "0.0.0.0:9000", DROVER_REDIS_URL: "http://cache" },
  );
  expect(problems).toEqual([
    '--api "nine": must be "host:port", for example 127.0.0.1:9001 or [::1]:9001',
    expect.stringMatching(/^DROVER_GATEWAY "0\.0\.0\.0:9000": is not a loopback address.*--insecure$/),
    '--http "localhost:70000": port 70000 is out of range: must be 0 to 65535',
    expect.stringMatching(/^DROVER_REDIS_URL "http:\/\/cache": must be "redis:\/\/host:port"/),
    '--num-cpus "-1": must be a multiple of 0.001 from 0 to 10,000',
    '--num-gpus "0.5": must be a whole number from 0 to 1,024',
    '--log-level "loud": must be one of trace, debug, info, warn, error, fatal, silent',
  ]);
});

test.each(["0.0.0.0:1", "[::]:1", "192.168.1.7:1", "db.example.com:1"])("%s is refused, and allowed with --insecure", (api) => {
  expect(problemsOf({ api })).toHaveLength(1);
  expect(problemsOf({ api, insecure: true })).toEqual([]);
});

test("two servers at one port are refused, but any number at port 0", () => {
  expect(problemsOf({ api: ":9000" })).toEqual(["--api and --gateway are both 127.0.0.1:9000: give one of them another port"]);
  expect(problemsOf({ api: ":0", gateway: ":0", http: ":0" })).toEqual([]);
});

test.each(["1e3", "NaN", "Infinity", "0x10", "0.0005", "10001", "", " 1"])("%j is no number of CPUs", (numCpus) => {
  expect(problemsOf({ numCpus })).toHaveLength(1);
});

test.each(["redis://", "cache:6379", "unix:", "unix:relative", "rediss:///0", "file:///x"])("%s is no Redis URL", (redis) => {
  expect(problemsOf({ redis })).toHaveLength(1);
});

test.each([
  "redis://ada:secret@cache:1:2",
  "http://:secret@cache",
  "redis:secret@cache",
  "ada:secret@cache:6379",
  "redis://a:secret/@b:x",
  "redis://a/?password=secret",
])("a password is never printed: %s", (redis) => {
  expect(hidePassword(redis)).not.toContain("secret");
  expect(problemsOf({ redis }).join("\n")).not.toContain("secret");
});

test("what is no password is shown", () => {
  expect(hidePassword("unix:/data/a@b/redis.sock")).toBe("unix:/data/a@b/redis.sock");
  expect(hidePassword("redis://ada:secret@cache:6379/2")).toBe("redis://***@cache:6379/2");
});

test("a config cannot be changed", () => {
  const config = configOf({});
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.api)).toBe(true);
});
