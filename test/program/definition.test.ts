import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { Aggregation, DeploymentSpecSchema, RolloutStrategy } from "../../gen/drover/v1/deployment_pb.ts";
import { define, findDefinition, isClass, isDefinition, type StandardSchemaV1, specJson } from "../../src/program/definition.ts";
import type { DeploymentOptions } from "../../src/program/deployment-options.ts";

class SentimentV2 {}
const program = { path: "apps/echo-server.ts", exportName: "" };

describe("a definition", () => {
  test("is known by its brand, also when another copy of the package made it", () => {
    const foreign = { [Symbol.for("drover.deployment")]: true, target: SentimentV2, settings: {}, services: undefined };
    expect(isDefinition(define(SentimentV2))).toBe(true);
    expect(isDefinition(foreign)).toBe(true);
    expect(isDefinition({ target: SentimentV2 })).toBe(false);
    expect(isDefinition(SentimentV2)).toBe(false);
    expect(isDefinition(null)).toBe(false);
  });

  test.each([
    [{ replicas: 2 }, "replicas: there is no such option; there are name, version"],
    [{ resources: { cpus: 1 } }, "resources.cpus: there is no such option"],
    [{ toString: "x" }, "toString: there is no such option"],
    [{ numReplicas: "2" }, 'numReplicas: must be a whole number, not "2"'],
    [{ numReplicas: 1.5 }, "numReplicas: must be a whole number, not 1.5"],
    [{ resources: { numCpus: Number.NaN } }, "resources.numCpus: must be a finite number, not NaN"],
    [{ resources: 2 }, "resources: must be an object, not 2"],
    [{ initArgs: [1] }, "initArgs: must be a JSON object, not a list"],
    [{ initArgs: { at: new Date(0) } }, "initArgs.at: must be a JSON value, not a Date"],
    [{ userConfig: { a: [1n] } }, "userConfig.a[0]: must be a JSON value, not a bigint"],
    [{ startupTimeout: "1m 3s" }, "startupTimeout: must be a time"],
    [{ numReplicas: "many" }, 'numReplicas: must be a whole number, not "many"'],
    [{ numCpus: 1 }, "numCpus: there is no such option; did you mean resources.numCpus?"],
    [{ rayActorOptions: {} }, "rayActorOptions: there is no such option; did you mean resources and runtimeEnv?"],
    [{ routePrefix: "/" }, "routePrefix: there is no such option; Ray Serve has it; leave it out"],
    [{ autoscalingConfig: { upscaleDelayS: 3 } }, "autoscalingConfig.upscaleDelayS: there is no such option; did you mean upscaleDelay?"],
    [{ startupTimeout: -1 }, "startupTimeout: must be a time"],
    [{ runtimeEnv: { envVars: { A: 1 } } }, "runtimeEnv.envVars.A: must be a string, not 1"],
    [null, "options: must be an object, not null"],
  ])("with the options %o is refused at once, by name", (options, message) => {
    expect(() => define(SentimentV2, options as DeploymentOptions)).toThrow(message);
  });

  test("of something that is neither class nor function is refused", () => {
    expect(() => define({})).toThrow("a class or a function");
  });

  test("whose config contains itself is refused", () => {
    const userConfig: Record<string, unknown> = {};
    userConfig.self = userConfig;
    expect(() => define(SentimentV2, { userConfig } as DeploymentOptions)).toThrow("levels");
  });
});

describe("a definition's schema of user_config", () => {
  const standard = { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) };

  test.each([[{ "~standard": standard }], [Object.assign(() => {}, { "~standard": standard })]])(
    "may be any object or function that speaks Standard Schema v1: %o",
    (schema) => {
      const userConfigSchema = schema as StandardSchemaV1;
      const definition = define(SentimentV2, {}, { userConfigSchema });
      expect(definition.userConfigSchema).toBe(userConfigSchema);
      expect(specJson(definition, program)).toEqual(specJson(define(SentimentV2), program));
    },
  );

  test.each([
    [null],
    ["string"],
    [{}],
    [() => {}],
    [{ type: "object" }],
    [{ "~standard": null }],
    [{ "~standard": { ...standard, version: 2 } }],
    [{ "~standard": { ...standard, validate: undefined } }],
  ])("that is none (%o) is refused at once, by name", (userConfigSchema) => {
    const wrong = () => define(SentimentV2, {}, { userConfigSchema: userConfigSchema as never });
    expect(wrong).toThrow(TypeError);
    expect(wrong).toThrow("deployment option userConfigSchema: must be a schema of Standard Schema v1");
  });

  test("is refused for a function, which takes no config", () => {
    const wrong = () => define(() => 1, {}, { userConfigSchema: { "~standard": standard } as StandardSchemaV1 });
    expect(wrong).toThrow(TypeError);
    expect(wrong).toThrow("deployment option userConfigSchema: a function takes no user_config; make it a class");
  });
});

describe("the spec of a definition", () => {
  test("is what the API takes, with every option in its place", () => {
    const options: Required<DeploymentOptions> = {
      name: "sentiment",
      version: "7",
      application: "reviews",
      initArgs: { model: "large", n: [1, null] },
      runtimeEnv: { workingDir: "/srv", envVars: { A: "b" } },
      numReplicas: 3,
      resources: { numCpus: 0.5, numGpus: 1, memoryBytes: 2 ** 40 },
      maxOngoingRequests: 9,
      maxQueuedRequests: 9,
      maxMessageBytes: 2 ** 30,
      userConfig: null,
      healthCheck: { period: 1.5, timeout: "2s", failureThreshold: 4 },
      gracefulShutdownTimeout: 20,
      startupTimeout: "0.25s",
      requestTimeout: 0.000000001,
      labels: { team: "nlp" },
      autoscalingConfig: {
        minReplicas: 0,
        maxReplicas: 8,
        initialReplicas: 2,
        bufferReplicas: 1,
        targetOngoingRequests: 2.5,
        upscaleDelay: 0,
        downscaleDelay: "90s",
        downscaleToZeroDelay: 120,
        upscalingFactor: 0.5,
        downscalingFactor: 0.25,
        lookBackPeriod: 20,
        metricsInterval: 0.5,
        aggregation: "MAX",
        burst: { window: 4, threshold: 3, disabled: true },
        schedules: [{ cron: "0 8 * * 1-5", timeZone: "Europe/Berlin", minReplicas: 4, duration: "3600s" }],
      },
      rollout: {
        maxUnavailablePercent: 0,
        maxSurgePercent: 50,
        strategy: "AVAILABILITY",
        minReadyTime: 3,
        progressDeadline: "60s",
        maxStartFailures: 2,
        autoRollback: false,
      },
    };
    const spec = fromJson(DeploymentSpecSchema, specJson(define(SentimentV2, options), program) as JsonValue);
    const time = (seconds: number, nanos = 0) => ({ seconds: BigInt(seconds), nanos });
    expect(spec).toMatchObject({
      ...options,
      program: { kind: { case: "module", value: program } },
      resources: { numCpus: 0.5, numGpus: 1, memoryBytes: BigInt(2 ** 40) },
      maxMessageBytes: BigInt(2 ** 30),
      userConfig: { kind: { case: "nullValue" } },
      healthCheck: { period: time(1, 500_000_000), timeout: time(2), failureThreshold: 4 },
      gracefulShutdownTimeout: time(20),
      startupTimeout: time(0, 250_000_000),
      requestTimeout: time(0, 1),
      autoscalingConfig: {
        ...options.autoscalingConfig,
        upscaleDelay: time(0),
        downscaleDelay: time(90),
        downscaleToZeroDelay: time(120),
        lookBackPeriod: time(20),
        metricsInterval: time(0, 500_000_000),
        aggregation: Aggregation.MAX,
        burst: { window: time(4), threshold: 3, disabled: true },
        schedules: [{ cron: "0 8 * * 1-5", timeZone: "Europe/Berlin", minReplicas: 4, duration: time(3_600) }],
      },
      rollout: {
        ...options.rollout,
        strategy: RolloutStrategy.AVAILABILITY,
        minReadyTime: time(3),
        progressDeadline: time(60),
      },
    });
    expect(create(DeploymentSpecSchema, spec)).toEqual(spec);
  });

  test("takes a time with any units", () => {
    for (const [text, seconds] of Object.entries({ "10m": "600s", "1h30m": "5400s", "500ms": "0.5s" }))
      expect(specJson(define(SentimentV2, { requestTimeout: text }), program).requestTimeout).toBe(seconds);
  });

  test("follows the load with numReplicas auto, by what autoscalingConfig says, or else as Ray Serve does", () => {
    const spec = specJson(define(SentimentV2, { numReplicas: "auto", autoscalingConfig: { maxReplicas: 5 } }), program);
    const { numReplicas, autoscalingConfig } = fromJson(DeploymentSpecSchema, spec as JsonValue);
    expect(numReplicas).toBeUndefined();
    expect(autoscalingConfig).toMatchObject({ minReplicas: 1, maxReplicas: 5, targetOngoingRequests: 2 });
  });

  const named = {
    HTTPServer: class HTTPServer {},
    sayHello: function sayHello() {},
    nothing: (
      () => () =>
        1
    )(),
  };
  test.each<[DeploymentOptions, string]>([
    [{ userConfig: { text: ["a\ud800"] } }, "userConfig.text[0]"],
    [{ userConfig: { "\udc00": 1 } }, "userConfig"],
    [{ initArgs: { text: "\ud800" } }, "initArgs.text"],
    [{ labels: { a: "\ud800" } }, "labels.a"],
    [{ runtimeEnv: { envVars: { A: "\ud800" } } }, "runtimeEnv.envVars.A"],
    [{ userConfig: [2 ** 53 + 2] }, "userConfig[0]"],
    [{ initArgs: { id: 2 ** 60 } }, "initArgs.id"],
    [{ userConfig: Number.POSITIVE_INFINITY }, "userConfig"],
  ])("has no value that would change on its way: %o", (options, option) => {
    const wrong = () => define(SentimentV2, options);
    expect(wrong).toThrow(TypeError);
    expect(wrong).toThrow(`deployment option ${option}: must be `);
  });

  test.each([
    [SentimentV2, program, "sentiment-v2"],
    [named.HTTPServer, program, "http-server"],
    [named.sayHello.bind(null), program, "say-hello"],
    [named.nothing, { ...program, exportName: "Adder" }, "adder"],
    [named.nothing, { ...program, exportName: "default" }, "echo-server"],
    [named.nothing, program, "echo-server"],
  ])("names a deployment without a name after its program: %o", (target, where, name) => {
    expect(specJson(define(target), where).name).toBe(name);
  });
});

describe("a module's definition", () => {
  const one = define(SentimentV2);
  const two = define(() => 1);
  const plain = class Plain {};

  test.each([
    [{ default: one, Two: two }, "", one, "default"],
    [{ Two: two, other: 1, plain }, "", two, "Two"],
    [{ default: one, Two: two }, "Two", two, "Two"],
    [{ default: 1, Two: two }, "", two, "Two"],
  ])("in %o asked for as %j is found", (exports, name, definition, exportName) => {
    expect(findDefinition(exports, name)).toEqual({ definition, exportName });
  });

  test.each([
    [{ default: plain }, "", "default"],
    [{ plain }, "plain", "plain"],
  ])("may be a plain class, if it is named or the default: %o %j", (exports, name, exportName) => {
    expect(findDefinition(exports, name)).toMatchObject({ definition: { target: plain }, exportName });
  });

  test.each([
    [{}, "", "it exports no deployment; it exports nothing"],
    [{ plain, a: 1 }, "", "it exports no deployment; it exports plain, a"],
    [{ one, two }, "", "it exports several deployments, name one of them: one, two"],
    [{ one, a: 1 }, "b", 'no export "b"; it exports one (a deployment), a'],
    [{ one, a: 1 }, "a", 'the export "a" is not a deployment; it exports one (a deployment), a'],
    [{ one }, "toString", 'no export "toString"'],
  ])("in %o asked for as %j is missed with a remedy", (exports, name, message) => {
    expect(findDefinition(exports, name)).toEqual({ error: expect.stringContaining(message) });
  });
});

test("classes, also compiled ones, are distinguished from functions", () => {
  function Compiled() {}
  Compiled.prototype.greet = () => "hello";
  expect(isClass(SentimentV2)).toBe(true);
  expect(isClass(Compiled)).toBe(true);
  for (const call of [() => 1, function plain() {}, async () => 1, function* items() {}, async function* items() {}, Math.max]) {
    expect(isClass(call)).toBe(false);
  }
});
