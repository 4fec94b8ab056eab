// Goal: a config reaches all running replicas or none, whatever happens during the change, and no
// caller notices. Method: the program says by which config it serves; after each answer every
// replica is asked directly. Where something is to happen in the middle of a change, the program
// waits in `reconfigure` at a gate (a folder), notes there that it waits, and is let through by the
// test.
import { mkdtemp, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  type DeployResponse,
  Effect,
  ReconfigureOutcome as Outcome,
  ReconfigureFailureSchema,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { DeploymentState as State } from "../../gen/drover/v1/deployment_pb.ts";
import { type ConfigProblem, ConfigProblemKind, EndingKind, ReplicaFailureKind } from "../../gen/drover/v1/facts_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { detailOf } from "../../src/rpc/error-detail.ts";
import { jsonToValue, valueToJson } from "../../src/rpc/json-value.ts";
import { Drover, type Finished, fixturePath, mainPath, run, until } from "./drover.ts";

type Closable = { close(): Promise<void> | void };
const opened: Closable[] = [];
/** The last opened is closed first, also where a test has failed. */
function closing<T extends Closable>(thing: T): T {
  opened.push(thing);
  return thing;
}
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
  channels.clear();
});
const start = async (args?: readonly string[], dataDir?: string) => closing(await Drover.start(args, dataDir));

/** What the program takes; see its file. */
interface UserConfig {
  readonly number: number;
  readonly refusedBy?: string;
  readonly hangsIn?: string;
  readonly ends?: "asked" | "told" | "never";
  readonly gate?: string;
}
const module = { kind: { case: "module" as const, value: { path: fixturePath("configured.ts") } } };
const specOf = (name: string, userConfig: UserConfig, spec: Record<string, unknown> = {}) => ({
  ...{ name, version: "1", program: module, resources: { numCpus: 0.01 }, numReplicas: 3 },
  ...{ userConfig: jsonToValue(userConfig), ...spec },
});

async function deployed(drover: Drover, name: string, spec: Record<string, unknown> = {}): Promise<void> {
  const { status } = await drover.deploy(name, specOf(name, { number: 1 }, spec), "configured.ts");
  expect(status).toMatchObject({ state: State.HEALTHY, revision: 1n, configGeneration: 1n });
}

const reconfigure = ({ controller }: Drover, name: string, userConfig: UserConfig, requestId = "") =>
  controller.reconfigure({ name, userConfig: jsonToValue(userConfig), requestId });

/** To replicas, by address. */
const channels = new Map<string, Channel>();
function channelTo(address: string): Channel {
  const channel = channels.get(address) ?? closing(new Channel(address));
  channels.set(address, channel);
  return channel;
}

/** What each running replica says, asked directly, by which config it serves. */
async function numbersOf(drover: Drover, name: string): Promise<readonly unknown[]> {
  const replicas = await drover.running(name);
  return Promise.all(
    replicas.map(async ({ address, replicaId }) => {
      const { output } = await channelTo(address)
        .client(InvokeService)
        .invoke({ deployment: name, method: "config" }, { deadlineMs: 10_000 });
      const { number, replica } = (output.case === "json" ? valueToJson(output.value) : {}) as { number: number; replica: string };
      expect(replica).toBe(replicaId);
      return number;
    }),
  );
}

/**
 * All running replicas, of which there are as many, serve by this config, and the API says so too.
 */
async function expectAll(drover: Drover, name: string, count: number, number: number, generation: bigint): Promise<void> {
  expect(await numbersOf(drover, name)).toEqual(Array(count).fill(number));
  expect((await drover.running(name)).map(({ configGeneration }) => configGeneration)).toEqual(Array(count).fill(generation));
  const { deployment } = await drover.controller.getDeployment({ name });
  expect(deployment?.status).toMatchObject({ configGeneration: generation, runningReplicas: count });
}

/** The processes that serve, lowest first. */
async function pidsOf(drover: Drover, name: string): Promise<readonly bigint[]> {
  return (await drover.running(name)).map(({ pid }) => pid).toSorted((a, b) => Number(a - b));
}

const gateIn = ({ dataDir }: Drover) => mkdtemp(join(dataDir, "gate-"));

/** Who waits at a gate, once there are as many. */
async function waitingAt(gate: string, count: number): Promise<readonly string[]> {
  return until(`${count} wait at the gate`, async () => {
    const ids = (await readdir(gate)).flatMap((file) => (file.endsWith(".waits") ? file.slice(0, -".waits".length) : []));
    return ids.length === count && ids;
  });
}

/** By their names; "all": every replica. */
async function letThrough(gate: string, names: readonly string[]): Promise<void> {
  for (const name of names) await writeFile(join(gate, name), "");
}

const refusal = { code: "FAILED_PRECONDITION", reason: "RECONFIGURE_REFUSED" };

/** Why a change was refused: by that replica, or by the first one. */
function problemOf(error: unknown, replicaId?: string): ConfigProblem | undefined {
  const replicas = detailOf(error, ReconfigureFailureSchema)?.replicas ?? [];
  return replicas.find((replica) => replicaId === undefined || replica.replicaId === replicaId)?.problem;
}

/** The answer, or the error. */
const outcomeOf = <T>(answer: Promise<T>): Promise<T> => answer.catch((error: T) => error);

/**
 * Calls, one after the other, by each of several clients that never try again, until closed.
 * Moments are of `performance.now`.
 */
class Load {
  readonly calls: { readonly beganMs: number; readonly endedMs: number; readonly answer: unknown }[] = [];
  readonly #clients: readonly Promise<void>[];
  #going = true;

  constructor(drover: Drover, name: string) {
    this.#clients = Array.from({ length: 16 }, (_, index) => this.#client(drover, name, 5 + index));
  }

  async flows(count: number): Promise<void> {
    const before = this.calls.length;
    await until("requests flow", () => this.calls.length >= before + count);
  }

  async close(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#clients);
  }

  async #client(drover: Drover, name: string, ms: number): Promise<void> {
    while (this.#going) {
      const beganMs = performance.now();
      const answer = await outcomeOf(drover.invoke(name, "work", ms, { deadlineMs: 30_000 }));
      this.calls.push({ beganMs, endedMs: performance.now(), answer });
    }
  }
}

test("fifty changes under load fail no request and restart no replica, and after each answer all replicas serve with the config of the answer", async () => {
  const drover = await start();
  await deployed(drover, "live", { numReplicas: 8, maxOngoingRequests: 20 });
  const pids = await pidsOf(drover, "live");
  const gate = await gateIn(drover);
  const load = closing(new Load(drover, "live"));
  await load.flows(200);
  const waiting = Array.from({ length: 8 }, (_, index) => outcomeOf(drover.invoke("live", "wait", { gate, name: `request-${index}` })));
  await waitingAt(gate, 8);

  const changes = [{ number: 1, askedMs: -1, answeredMs: -1, inUse: 1 }];
  let [inUse, generation, last] = [1, 1n, ""];
  for (let number = 2; number <= 51; number++) {
    const askedMs = performance.now();
    if (number === 25) {
      // Refused by whom it comes to last: others serve by it already.
      const refused = await outcomeOf(reconfigure(drover, "live", { number, refusedBy: last }));
      expect(refused).toMatchObject(refusal);
      expect(problemOf(refused, last)).toMatchObject({
        kind: ConfigProblemKind.REFUSED,
        message: expect.stringContaining(`${last} does not like number 25`),
      });
    } else {
      const answer = await reconfigure(drover, "live", { number });
      [inUse, generation, last] = [number, answer.configGeneration, answer.replicas.at(-1)?.replicaId ?? ""];
      expect(answer.replicas.map(({ outcome }) => outcome)).toEqual(Array(8).fill(Outcome.APPLIED));
    }
    changes.push({ number, askedMs, answeredMs: performance.now(), inUse });
    await expectAll(drover, "live", 8, inUse, generation);
  }
  expect(generation).toBe(51n); // a refused one is counted too
  await letThrough(gate, ["all"]);
  expect(await Promise.all(waiting)).toEqual(Array(8).fill({ began: 1, ended: 51 }));
  await load.flows(200);
  await load.close();
  expect(await pidsOf(drover, "live")).toEqual(pids);
  expect((await drover.controller.listReplicas({ deployment: "live" })).replicas).toHaveLength(8);

  const { calls } = load;
  expect(calls.filter(({ answer }) => typeof answer !== "number")).toEqual([]);
  const wrong = calls.filter(({ beganMs, endedMs, answer }) => {
    const before = changes.findLast(({ answeredMs }) => answeredMs < beganMs);
    const during = changes.filter(({ askedMs, answeredMs }) => askedMs <= endedMs && answeredMs >= beganMs);
    return ![before?.inUse, ...during.flatMap(({ number, inUse }) => [number, inUse])].includes(answer as number);
  });
  expect(wrong).toEqual([]);
  expect(new Set(calls.map(({ answer }) => answer)).size).toBeGreaterThan(25); // that the law was put to the test
});

test("Deploy changes a config live, rolls out where more changes, and a rollback takes the config of its revision back", async () => {
  const drover = await start();
  await deployed(drover, "redeployed");
  const pids = await pidsOf(drover, "redeployed");
  const live: DeployResponse = await drover.controller.deploy({ spec: specOf("redeployed", { number: 2 }, { maxOngoingRequests: 7 }) });
  expect(live).toMatchObject({ effect: Effect.RECONFIGURE, deployment: { status: { revision: 1n, configGeneration: 2n } } });
  expect(live.replicas.map(({ outcome }) => outcome)).toEqual(Array(3).fill(Outcome.APPLIED));
  expect(live.changes.map(({ field, effect }) => [field, effect]).toSorted()).toEqual([
    ["max_ongoing_requests", Effect.RECONFIGURE],
    ["user_config.number", Effect.RECONFIGURE],
  ]);
  await expectAll(drover, "redeployed", 3, 2, 2n);
  expect(await pidsOf(drover, "redeployed")).toEqual(pids);

  const gate = await gateIn(drover);
  const rollout = await drover.controller.deploy({
    spec: specOf("redeployed", { number: 3, gate }, { version: "2", maxOngoingRequests: 7 }),
  });
  expect(rollout).toMatchObject({ effect: Effect.ROLLOUT, replicas: [], deployment: { status: { revision: 2n, configGeneration: 3n } } });
  const [fresh = ""] = await waitingAt(gate, 1);
  expect(await numbersOf(drover, "redeployed")).toEqual([2, 2, 2]);
  expect(await pidsOf(drover, "redeployed")).toEqual(pids);
  await letThrough(gate, [fresh]);
  await waitingAt(gate, 2);
  expect(new Set(await numbersOf(drover, "redeployed"))).toEqual(new Set([2, 3]));
  await letThrough(gate, ["all"]);
  expect((await drover.settled("redeployed")).status).toMatchObject({ revision: 2n, updatedReplicas: 3 });
  await expectAll(drover, "redeployed", 3, 3, 3n);

  await drover.controller.rollback({ name: "redeployed" });
  const back = await drover.settled("redeployed");
  expect(back).toMatchObject({ spec: { version: "1", maxOngoingRequests: 7 }, status: { revision: 1n, updatedReplicas: 3 } });
  await expectAll(drover, "redeployed", 3, 2, 4n);
});

test.each([
  { who: "one replica takes", when: "before the next one is there", refuses: false },
  { who: "the rest take", when: "under the next one", refuses: false },
  { who: "one replica takes", when: "under the next one", refuses: true },
])(
  "a change outlives its controller: killed while $who it, gone on $when, refused by another: $refuses",
  async ({ who, when, refuses }) => {
    const first = await start();
    await deployed(first, "kept");
    const pids = await pidsOf(first, "kept");
    const gate = await gateIn(first);
    const asked = { name: "kept", userConfig: jsonToValue({ number: 2 }), validateOnly: true };
    const last = (await first.controller.reconfigure(asked)).replicas.at(-1)?.replicaId ?? "";
    const change = { number: 2, gate, ...(refuses && { refusedBy: last }) };
    const lost = outcomeOf(reconfigure(first, "kept", change, "once"));
    const [one = ""] = await waitingAt(gate, 1);
    if (who === "the rest take") {
      await letThrough(gate, [one]);
      await waitingAt(gate, 3);
    }
    first.process.kill("SIGKILL");
    expect(await lost).toMatchObject({ code: "UNAVAILABLE" });
    await first.end();
    if (when.startsWith("before")) await letThrough(gate, ["all"]);
    const second = await start([], first.dataDir);
    const retried = outcomeOf(reconfigure(second, "kept", change, "once"));
    if (when.startsWith("under")) await letThrough(gate, ["all"]);

    // To have asked took no generation; what was refused did.
    const [number, generation] = refuses ? [1, 1n] : [2, 2n];
    const outcome = refuses ? refusal : { configGeneration: 2n };
    expect(await retried).toMatchObject(outcome);
    expect((await second.settled("kept")).status).toMatchObject({ revision: 1n, reconciling: false });
    await expectAll(second, "kept", 3, number, generation);
    expect(await outcomeOf(reconfigure(second, "kept", change, "once"))).toMatchObject(outcome);
    expect((await reconfigure(second, "kept", { number: 3 })).configGeneration).toBe(3n);
    await expectAll(second, "kept", 3, 3, 3n);
    expect(await pidsOf(second, "kept")).toEqual(pids);
  },
);

test("changes at the same time are made one after the other: all end at the config of the highest generation", async () => {
  const drover = await start();
  await deployed(drover, "raced");
  const pids = await pidsOf(drover, "raced");
  for (const numbers of [[2, 3, 4] as const, [5, 6, 7] as const, [8, 9, 10] as const]) {
    const [one, other] = await Promise.all([
      reconfigure(drover, "raced", { number: numbers[0] }),
      reconfigure(drover, "raced", { number: numbers[1] }),
      drover.controller.deploy({ spec: specOf("raced", { number: numbers[2] }) }),
    ]);
    const { configs } = await drover.controller.listConfigs({ name: "raced" });
    const made = configs.slice(0, 3).map(({ userConfig, configGeneration }) => {
      return { ...(valueToJson(userConfig ?? jsonToValue({})) as unknown as UserConfig), configGeneration };
    });
    expect(new Set(made.map(({ number }) => number))).toEqual(new Set(numbers));
    for (const [index, { configGeneration }] of [one, other].entries())
      expect(made).toContainEqual({ number: numbers[index], configGeneration });
    await expectAll(drover, "raced", 3, made[0]?.number ?? 0, made[0]?.configGeneration ?? 0n);
  }
  expect(await pidsOf(drover, "raced")).toEqual(pids);
});

test("a replica killed during a change does not fail it, and a replica that starts during it serves with the committed config", async () => {
  const drover = await start();
  await deployed(drover, "moving");
  const before = await drover.running("moving");
  const gate = await gateIn(drover);
  const change = outcomeOf(reconfigure(drover, "moving", { number: 2, gate }));
  const [first = ""] = await waitingAt(gate, 1);
  const scaled = outcomeOf(drover.controller.scale({ name: "moving", numReplicas: 5 }));
  process.kill(Number(before.find(({ replicaId }) => replicaId === first)?.pid), "SIGKILL");
  const second = (await waitingAt(gate, 2)).filter((id) => id !== first);
  const known = new Set(before.map(({ replicaId }) => replicaId));
  await until("another one has the committed config in its place", async () => {
    const { replicas } = await drover.controller.listReplicas({ deployment: "moving" });
    return replicas.some(({ replicaId, configGeneration }) => !known.has(replicaId) && configGeneration === 1n);
  });
  // It does not count before the change is over.
  expect(await numbersOf(drover, "moving")).toEqual([1, 1]);

  await letThrough(gate, second);
  await waitingAt(gate, 3);
  await letThrough(gate, ["all"]);
  expect(await change).toMatchObject({ configGeneration: 2n, replicas: [{ outcome: Outcome.APPLIED }, { outcome: Outcome.APPLIED }] });
  expect(await scaled).toMatchObject({ deployment: { status: { targetReplicas: 5 } } });
  expect((await drover.settled("moving")).status).toMatchObject({ runningReplicas: 5, revision: 1n });
  await expectAll(drover, "moving", 5, 2, 2n);
});

test.each([
  ["asked", 0],
  ["told", 1],
] as const)("a config that ends the process where it is %s is refused, and no more than is tried ends with it", async (ends, survivors) => {
  const drover = await start();
  await deployed(drover, "fatal");
  const before = new Set((await drover.running("fatal")).map(({ pid }) => pid));
  const change = await outcomeOf(reconfigure(drover, "fatal", { number: 2, ends }));
  expect(change).toMatchObject({ code: "FAILED_PRECONDITION" });
  expect(problemOf(change)).toMatchObject({
    kind: ConfigProblemKind.FAILED,
    failure: { kind: ReplicaFailureKind.ENDED, ending: { kind: EndingKind.EXIT, exitCode: 3 } },
  });
  await drover.settled("fatal");
  await expectAll(drover, "fatal", 3, 1, 1n);
  expect((await drover.running("fatal")).filter(({ pid }) => before.has(pid)).length).toBeGreaterThanOrEqual(survivors);
});

test("a config with which replicas do not answer any more, and are replaced, is refused", async () => {
  const drover = await start();
  const second = { seconds: 1n };
  const brief = { healthCheck: { period: second, timeout: second, failureThreshold: 3 }, gracefulShutdownTimeout: second };
  await deployed(drover, "hung", brief);
  const change = await outcomeOf(reconfigure(drover, "hung", { number: 2, ends: "never" }));
  expect(change).toMatchObject({ code: "FAILED_PRECONDITION" });
  expect(problemOf(change)).toMatchObject({
    kind: ConfigProblemKind.FAILED,
    failure: { kind: ReplicaFailureKind.UNHEALTHY, failedChecks: 3 },
  });
  await until("all serve again", async () => (await drover.running("hung")).length === 3 && (await drover.settled("hung")));
  await expectAll(drover, "hung", 3, 1, 1n);
});

test("a replica that does not answer is replaced, and nothing is changed", async () => {
  const drover = await start();
  await deployed(drover, "hung");
  const [hung, ...others] = await drover.running("hung");
  const { replicaId = "none" } = hung ?? {};
  const refused = await outcomeOf(reconfigure(drover, "hung", { number: 2, hangsIn: replicaId }));
  expect(refused).toMatchObject(refusal);
  expect(problemOf(refused, replicaId)).toMatchObject({ kind: ConfigProblemKind.LATE, within: { seconds: 10n } });
  expect((await drover.settled("hung")).status).toMatchObject({ state: State.HEALTHY });
  expect((await drover.running("hung")).map((replica) => replica.replicaId)).not.toContain(replicaId);
  await expectAll(drover, "hung", 3, 1, 1n);
  expect(await pidsOf(drover, "hung")).toEqual(expect.arrayContaining(others.map(({ pid }) => pid)));
  expect((await reconfigure(drover, "hung", { number: 3 })).replicas).toHaveLength(3);
});

test("what cannot be made is refused with what is wrong, also for a client that is not ours, and changes nothing", async () => {
  const drover = await start();
  await deployed(drover, "strict", { numReplicas: 1 });
  const schema = { userConfig: jsonToValue({ classes: [] }), numReplicas: 2 };
  expect((await drover.deploy("checked", schema, "with-schema.ts")).status).toMatchObject({ state: State.HEALTHY });
  await drover.deploy("fixed", { initArgs: { version: "1" } }, "steady.ts");
  const method = `http://${drover.addresses.api}/drover.v1.ControllerService/Reconfigure`;
  const refused = async (input: string) => {
    const { code, stdout, stderr } = await run("buf", ["curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", "@-", method], {
      input,
    });
    expect({ code: code === 0, stdout }).toEqual({ code: false, stdout: "" });
    return stderr;
  };
  const json = (name: string, request: unknown) => JSON.stringify({ name, ...(request as object) });
  const mib = 2 ** 20;
  for (const [input, ...words] of [
    [json("strict", { user_config: "a".repeat(2 * mib) }), "invalid_argument", `user_config: must be at most ${mib} bytes of JSON`],
    [json("strict", { user_config: "a".repeat(10 * mib) }), "resource_exhausted", `vs ${8 * mib}`],
    [json("fixed", { user_config: 1 }), "failed_precondition", "add a method reconfigure(userConfig) to its class"],
    [json("nobody", { user_config: 1 }), "not_found", 'no deployment \\"nobody\\"'],
    [json("strict", { to_generation: 99 }), "not_found", "no config of generation 99; there are: 1"],
    [json("strict", { user_config: 1, to_generation: 1 }), "invalid_argument", "set user_config or to_generation, and not both"],
    [json("strict", {}), "invalid_argument", "set user_config or to_generation, and not both"],
    [
      json("checked", { user_config: { classes: [{ name: "a" }, {}] } }),
      "failed_precondition",
      "user_config.classes[1].name: must be a string",
    ],
  ] as const) {
    const told = await refused(input);
    for (const word of words) expect(told).toContain(word);
  }
  await expectAll(drover, "strict", 1, 1, 1n);
  expect(await drover.invoke("checked", "names", null)).toEqual([]);
  for (const name of ["strict", "checked", "fixed"]) {
    expect((await drover.settled(name)).status).toMatchObject({ state: State.HEALTHY, configGeneration: 1n });
    expect((await drover.controller.listConfigs({ name })).configs.map(({ configGeneration }) => configGeneration)).toEqual([1n]);
  }
});

test("`drover reconfigure` takes a config from its argument, a file, standard input or what was in use, and `drover configs` lists them", async () => {
  const drover = await start();
  await deployed(drover, "told", { numReplicas: 2 });
  const file = join(drover.dataDir, "config.json");
  await writeFile(file, JSON.stringify({ number: 3 }));
  const [refuser] = await drover.running("told");
  const env = { DROVER_API: drover.addresses.api, NO_COLOR: "1" };
  const cli = (args: readonly string[], input?: string): Promise<Finished> =>
    run(process.execPath, [mainPath, "reconfigure", "told", ...args], { env, ...(input !== undefined && { input }) });
  for (const [args, input, code, words, number] of [
    [['{"number": 2}', "--dry-run"], "", 0, ["ACCEPTED", "nothing was changed"], 1],
    [['{"number": 2}'], "", 0, ["APPLIED", "generation 2 of user_config is in use"], 2],
    [[`@${file}`], "", 0, ["generation 3 "], 3],
    [["-"], '{"number": 4}', 0, ["generation 4 "], 4],
    [["--to", "2"], "", 0, ["generation 5 "], 2],
    [["--to", "99"], "", 1, ["no config of generation 99; there are: 1, 2, 3, 4, 5", "drover configs told"], 2],
    [[JSON.stringify({ number: 5, refusedBy: refuser?.replicaId })], "", 1, ["REFUSED", "does not like number 5"], 2],
    [["{number}"], "", 2, ["not JSON: {number}"], 2],
    [[`@${file}.gone`], "", 1, ["cannot read"], 2],
    [["--to", "1", "1"], "", 2, ["exclude each other"], 2],
    [[], "", 2, ["give a config"], 2],
  ] as const) {
    const told = await cli(args, input);
    expect(told, told.stderr).toMatchObject({ code });
    for (const word of words) expect(told.stdout + told.stderr).toContain(word);
    expect(await numbersOf(drover, "told")).toEqual([number, number]);
  }
  const listed = await drover.cli("configs", "told");
  expect(listed.code).toBe(0);
  const [head, ...rows] = listed.stdout.trimEnd().split("\n");
  expect(head?.split(/ {2,}/)).toEqual(["GENERATION", "REVISION", "AGE", "AUTHOR", "MAX ONGOING", "CONFIG"]);
  const shown = rows.map((row) => row.split(/ {2,}/).filter((_, column) => column < 2 || column > 3));
  expect(shown.map((row) => row.join(" "))).toEqual([
    '5 1 5 {"number":2} current',
    '4 1 5 {"number":4}',
    '3 1 5 {"number":3}',
    '2 1 5 {"number":2}',
    '1 1 5 {"number":1}',
  ]);
  const { stdout } = await drover.cli("configs", "told", "-o", "json");
  expect(JSON.parse(stdout)).toMatchObject([{ config_generation: "5", current: true }, ...Array(4).fill({ current: false })]);
  expect(await drover.cli("configs", "nobody")).toMatchObject({ code: 1, stderr: expect.stringContaining('no deployment "nobody"') });
});
