// Changes of config over a store in memory and real gRPC. The loop that makes them is the real one;
// what replicas answer it, the test says.
import { afterEach, beforeEach, expect, test } from "vitest";
import { Effect, ReconfigureFailureSchema, ReconfigureOutcome } from "../../gen/drover/v1/controller_service_pb.ts";
import { ConfigProblemKind } from "../../gen/drover/v1/facts_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import { type CallResult, configsKept, isOver } from "../../src/core/config-change.ts";
import type { ReplicaRecord } from "../../src/core/replica.ts";
import { type ConfigOrder, noContact, type ReplicaPort } from "../../src/links/replica-port.ts";
import { silentLog } from "../../src/log/log.ts";
import { ConfigChangeLoop } from "../../src/loops/config-change-loop.ts";
import { detailOf } from "../../src/rpc/error-detail.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { until } from "../kit/until.ts";
import { type OpenedApi, openApi, recordOf, specOf } from "./opened-api.ts";

let opened: OpenedApi;
let loop: Loop;

beforeEach(async () => {
  opened = await openApi();
  loop = new Loop();
});
afterEach(async () => {
  await loop.close();
  await opened.close();
});

const controller = () => opened.controller;
const blue = jsonToValue({ model: "blue" });
const red = jsonToValue({ model: "red" });
const bad = jsonToValue({ model: "bad" });
const violations = [{ field: "model", description: "no such model" }];
const { ACCEPTED, APPLIED, REFUSED } = ReconfigureOutcome;

/** Makes the changes, by replicas that take everything but the model "bad". */
class Loop implements ReplicaPort {
  /** Every call of a replica, in order: its id, the phase and the model. */
  readonly told: string[] = [];
  /** A replica refuses "bad" when it is to serve by it, not when it is asked. */
  refusesLate = false;
  #hold = Promise.withResolvers<void>();
  readonly #end = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #unsubscribe = () => {};

  constructor() {
    this.release();
  }

  async run(): Promise<void> {
    const { store, mirror } = opened;
    const lease = await store.acquireLease("loop", 600_000);
    const epoch = () => (lease.held ? lease.epoch : undefined);
    const changes = new ConfigChangeLoop({ mirror, store, port: this, epoch, clock: realClock, log: silentLog });
    this.#unsubscribe = mirror.subscribe(() => changes.wake());
    this.#running = changes.run(this.#end.signal);
  }

  /** From now on no replica answers, until they are let go. */
  hold(): void {
    this.#hold = Promise.withResolvers();
  }

  release(): void {
    this.#hold.resolve();
  }

  connect(): void {}

  drain(): void {}

  contact() {
    return noContact;
  }

  async giveConfig(replicaId: string, { phase, config }: ConfigOrder, signal: AbortSignal): Promise<CallResult> {
    const { model = "" } = (config.userConfig ?? {}) as { model?: string };
    this.told.push(`${replicaId} ${phase} ${model}`);
    const left = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    await Promise.race([this.#hold.promise, left]);
    if (signal.aborted) return { replicaId, kind: "gone" };
    const refuses = model === "bad" && phase === (this.refusesLate ? "APPLY" : "PREPARE");
    return refuses
      ? { replicaId, kind: "refused", problem: { kind: "refused", message: "model: no such model", violations } }
      : { replicaId, kind: "done" };
  }

  async close(): Promise<void> {
    this.release();
    this.#end.abort();
    await this.#running;
    this.#unsubscribe();
  }
}

/** Deploys, and says that these replicas run. */
async function deployed(name = "a", replicas = 2, more = {}): Promise<void> {
  await controller().deploy({ spec: specOf(name, { userConfig: blue, ...more }) });
  const { uid, revision } = await recordOf(opened.store, name);
  for (let index = 0; index < replicas; index++) {
    const id = `${name}-r${index}`;
    const value = { id, deployment: name, uid, revision, state: "RUNNING", gpuIndexes: [], address: "unix:/x", token: "" };
    await opened.store.commit([
      {
        put: "replica",
        key: id,
        version: 0,
        value: {
          ...value,
          resources: { cpuMilli: 0, gpuMilli: 0, memoryBytes: 0 },
          createdAtMs: 0,
          sinceMs: 0,
          readyAtMs: 0,
        } as ReplicaRecord,
      },
    ]);
  }
}

/** What is in use, and the generations that were ever given out. */
async function inUse(name = "a") {
  const { spec, generation, configGeneration, newestConfigGeneration, changing } = await recordOf(opened.store, name);
  return { config: spec.userConfig, generation, configGeneration, newestConfigGeneration, changing };
}

const before = { config: { model: "blue" }, generation: 1, configGeneration: 1, newestConfigGeneration: 1, changing: undefined };

/** Resolves once a change of the deployment's config is in work. */
const inWork = (name = "a") => until(async () => opened.mirror.deployment(name)?.value.changing !== undefined && loop.told.length > 0);

test("Reconfigure answers once all replicas serve by the config, with what each made of it", async () => {
  await deployed();
  await loop.run();
  const { deployment, configGeneration, replicas } = await controller().reconfigure({ name: "a", userConfig: red });
  expect(configGeneration).toBe(2n);
  expect(deployment).toMatchObject({ spec: { userConfig: { kind: red.kind } }, status: { generation: 2n, revision: 1n } });
  expect(replicas.map(({ replicaId, outcome, message }) => [replicaId, outcome, message])).toEqual([
    ["a-r0", APPLIED, ""],
    ["a-r1", APPLIED, ""],
  ]);
  expect(await inUse()).toEqual({ ...before, config: { model: "red" }, generation: 2, configGeneration: 2, newestConfigGeneration: 2 });
  expect(loop.told).toEqual(["a-r0 PREPARE red", "a-r1 PREPARE red", "a-r0 APPLY red", "a-r0 APPLY red", "a-r1 APPLY red"]);
});

test("a Deploy of another config alone does the same, and says so", async () => {
  await deployed();
  await loop.run();
  const { deployment, effect, changes, replicas } = await controller().deploy({ spec: specOf("a", { userConfig: red }) });
  expect(effect).toBe(Effect.RECONFIGURE);
  expect(changes.map(({ field }) => field)).toEqual(["user_config.model"]);
  expect(deployment?.status).toMatchObject({ generation: 2n, revision: 1n, configGeneration: 2n });
  expect(replicas.map(({ outcome }) => outcome)).toEqual([APPLIED, APPLIED]);
  const bounds = await controller().deploy({ spec: specOf("a", { userConfig: red, maxOngoingRequests: 9 }) });
  expect(bounds).toMatchObject({ effect: Effect.RECONFIGURE, deployment: { status: { configGeneration: 3n } } });
});

test("a config that a replica refuses changes nothing, and the error has the replica, the reason and the fields", async () => {
  await deployed();
  await loop.run();
  const refusedBy = (replicaId: string) => ({ replicaId, outcome: REFUSED, problem: { kind: ConfigProblemKind.REFUSED, violations } });
  const expectRefused = async (call: Promise<unknown>) => {
    const error = await call.catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "RECONFIGURE_REFUSED",
      facts: { metadata: { deployment: "a" }, violations },
    });
    expect(detailOf(error, ReconfigureFailureSchema)).toMatchObject({
      replicas: [refusedBy("a-r0"), refusedBy("a-r1")],
      replicasLeftOut: 0,
    });
  };
  await expectRefused(controller().reconfigure({ name: "a", userConfig: bad }));
  expect(await inUse()).toEqual({ ...before, newestConfigGeneration: 2 });
  await expectRefused(controller().deploy({ spec: specOf("a", { userConfig: bad }) }));
  expect(await inUse()).toEqual({ ...before, newestConfigGeneration: 3 });
  expect(loop.told.filter((call) => call.includes("APPLY"))).toEqual([]);
});

test("a config that is refused only when it is to be served by sends all back", async () => {
  await deployed();
  loop.refusesLate = true;
  await loop.run();
  const error = await controller()
    .reconfigure({ name: "a", userConfig: bad })
    .catch((cause: unknown) => cause);
  expect(error).toMatchObject({ reason: "RECONFIGURE_REFUSED", facts: { violations } });
  expect(detailOf(error, ReconfigureFailureSchema)?.replicas).toMatchObject([
    { replicaId: "a-r0", outcome: REFUSED },
    { replicaId: "a-r1", outcome: ACCEPTED },
  ]);
  expect(loop.told.slice(-2).sort()).toEqual(["a-r0 REVERT blue", "a-r1 REVERT blue"]);
  expect(await inUse()).toEqual({ ...before, newestConfigGeneration: 2 });
});

test("with no replica that runs a config is committed at once", async () => {
  await deployed("a", 0);
  await loop.run();
  expect(await controller().reconfigure({ name: "a", userConfig: bad })).toMatchObject({ configGeneration: 2n, replicas: [] });
});

test("a config that is in use is answered at once, with a leader or without", async () => {
  await deployed();
  const position = await opened.store.position();
  const same = await controller().reconfigure({ name: "a", userConfig: jsonToValue({ model: "blue" }) });
  expect(same).toMatchObject({ configGeneration: 1n, replicas: [], deployment: { status: { generation: 1n } } });
  expect(await controller().reconfigure({ name: "a", toGeneration: 1n })).toMatchObject({ configGeneration: 1n });
  expect(await opened.store.position()).toBe(position);
});

test("a request that is sent again has its first answer", async () => {
  await deployed();
  await loop.run();
  const request = { name: "a", userConfig: red, requestId: "once" };
  const first = await controller().reconfigure(request);
  await controller().reconfigure({ name: "a", userConfig: blue });
  const told = loop.told.length;
  expect(await controller().reconfigure(request)).toEqual(first);
  expect(loop.told).toHaveLength(told);
  const deploy = { spec: specOf("a", { userConfig: red }), requestId: "deploy" };
  const answer = await controller().deploy(deploy);
  expect(await controller().deploy(deploy)).toEqual(answer);
  expect(answer.effect).toBe(Effect.RECONFIGURE);
});

test("a request that was refused is refused again with the same error, and no replica is called again", async () => {
  await deployed();
  await loop.run();
  const refusals = async (act: () => Promise<unknown>) => {
    const first = await act().catch((cause: unknown) => cause);
    const told = loop.told.length;
    const again = await act().catch((cause: unknown) => cause);
    expect(first).toMatchObject({ reason: "RECONFIGURE_REFUSED", facts: { violations } });
    const { message, facts } = first as { message: string; facts: unknown };
    expect(again).toMatchObject({ message, facts });
    expect(loop.told).toHaveLength(told);
  };
  await refusals(() => controller().reconfigure({ name: "a", userConfig: bad, requestId: "once" }));
  await refusals(() => controller().deploy({ spec: specOf("a", { userConfig: bad }), requestId: "deploy" }));
});

test("a request that is sent again while its change is in work waits for the same end", async () => {
  await deployed();
  await loop.run();
  loop.hold();
  const request = { name: "a", userConfig: red, requestId: "once" };
  const first = controller().reconfigure(request);
  await inWork();
  const again = controller().reconfigure(request);
  loop.release();
  expect(await again).toEqual(await first);
  expect((await again).replicas).toHaveLength(2);
  expect(await inUse()).toMatchObject({ generation: 2, newestConfigGeneration: 2 });
});

test("one whose caller left gets its first answer when it is sent again, whatever was changed since", async () => {
  await deployed();
  await loop.run();
  loop.hold();
  const request = { name: "a", userConfig: red, requestId: "once" };
  const left = new AbortController();
  const first = controller().reconfigure(request, { signal: left.signal });
  await inWork();
  left.abort();
  await expect(first).rejects.toMatchObject({ code: "CANCELLED" });
  loop.release();
  expect((await controller().reconfigure({ name: "a", userConfig: blue })).configGeneration).toBe(3n);
  expect((await controller().reconfigure(request)).configGeneration).toBe(2n);
  expect(await inUse()).toMatchObject({ generation: 3, config: { model: "blue" } });
});

test("a request that is sent again, after its controller stopped before the end, is answered with that end", async () => {
  await deployed("a");
  await deployed("b");
  const deploy = { spec: specOf("a", { userConfig: red }), requestId: "deploy" };
  const reconfigure = { name: "b", userConfig: red, requestId: "reconfigure" };
  const first = [controller().deploy(deploy), controller().reconfigure(reconfigure)];
  const changes = () => [...opened.mirror.changes().values()].map(({ value }) => value);
  await until(() => changes().length === 2);
  opened.api.close();
  await Promise.all(first.map((call) => expect(call).rejects.toMatchObject({ message: expect.stringContaining("is not over") })));
  await loop.run();
  await until(() => changes().every(isOver));
  const outcomes = [{ outcome: APPLIED }, { outcome: APPLIED }];
  const answer = await controller().deploy(deploy);
  expect(answer).toMatchObject({ effect: Effect.RECONFIGURE, replicas: outcomes, deployment: { status: { configGeneration: 2n } } });
  expect(await controller().deploy(deploy)).toEqual(answer);
  expect(await controller().reconfigure(reconfigure)).toMatchObject({ configGeneration: 2n, replicas: outcomes });
  for (const name of ["a", "b"]) expect(await inUse(name)).toMatchObject({ generation: 2, newestConfigGeneration: 2 });
});

/** Begins a change of the config of "a", at a controller that stops before it has kept the end. */
async function endNotKept(ask: (api: OpenedApi["controller"]) => Promise<unknown>, end: "COMMITTED" | "REFUSED"): Promise<void> {
  const stopping = await openApi(opened.store);
  loop.hold();
  const asked = ask(stopping.controller);
  await until(() => opened.mirror.deployment("a")?.value.changing !== undefined);
  stopping.api.close();
  await expect(asked).rejects.toMatchObject({ code: "UNAVAILABLE" });
  loop.release();
  await until(() => opened.mirror.changes().get("a")?.value.step === end);
  await stopping.close();
}

test("a request whose end was not kept before another change took its place is still answered, and has no second effect", async () => {
  await deployed();
  await loop.run();
  const taken = { name: "a", userConfig: red, requestId: "taken" };
  const refused = { spec: specOf("a", { userConfig: bad }), requestId: "refused" };
  await endNotKept((api) => api.reconfigure(taken), "COMMITTED");
  await endNotKept((api) => api.deploy(refused), "REFUSED");
  await controller().reconfigure({ name: "a", userConfig: blue });
  const calls = loop.told.length;
  expect(await controller().reconfigure(taken)).toMatchObject({ configGeneration: 2n, replicas: [] });
  await expect(controller().deploy(refused)).rejects.toMatchObject({ reason: "RECONFIGURE_REFUSED" });
  expect(loop.told).toHaveLength(calls);
  expect(await inUse()).toMatchObject({ config: { model: "blue" }, generation: 3 });
});

test("a request whose end was not kept is not called refused once the configs that are kept no longer reach back to it", async () => {
  await deployed("a", 1);
  await loop.run();
  const taken = { name: "a", userConfig: red, requestId: "taken" };
  const oldest = { name: "a", userConfig: blue, requestId: "oldest" };
  const refused = { name: "a", userConfig: bad, requestId: "refused" };
  await endNotKept((api) => api.reconfigure(taken), "COMMITTED");
  await endNotKept((api) => api.reconfigure(oldest), "COMMITTED");
  await endNotKept((api) => api.reconfigure(refused), "REFUSED");
  for (let number = 1; number < configsKept; number++) await controller().reconfigure({ name: "a", userConfig: jsonToValue(number) });
  await expect(controller().reconfigure(taken)).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "CONFIG_NOT_FOUND",
    facts: { metadata: { deployment: "a", config_generation: "2" } },
  });
  await expect(controller().reconfigure(refused)).rejects.toMatchObject({ reason: "RECONFIGURE_REFUSED" });
  expect(await controller().reconfigure(oldest)).toMatchObject({ configGeneration: 3n });
  await controller().reconfigure({ name: "a", userConfig: jsonToValue(0) });
  await controller().reconfigure({ name: "a", userConfig: jsonToValue(1) });
  await expect(controller().reconfigure(refused)).rejects.toMatchObject({ reason: "CONFIG_NOT_FOUND" });
  expect(await inUse()).toMatchObject({ config: 1 });
});

test("an id that was used for another request is refused, also while the change of that request is in work, and if that request was refused", async () => {
  await deployed();
  await loop.run();
  const reused = { code: "INVALID_ARGUMENT", reason: "REQUEST_ID_REUSED" };
  const other = (requestId: string) => [
    controller().reconfigure({ name: "a", userConfig: jsonToValue({ model: "green" }), requestId }),
    controller().deploy({ spec: specOf("a", { userConfig: jsonToValue({ model: "green" }) }), requestId }),
  ];
  await controller().reconfigure({ name: "a", userConfig: red, requestId: "done" });
  await Promise.all(other("done").map((call) => expect(call).rejects.toMatchObject(reused)));
  await expect(controller().reconfigure({ name: "a", userConfig: bad, requestId: "refused" })).rejects.toMatchObject({
    reason: "RECONFIGURE_REFUSED",
  });
  await Promise.all(other("refused").map((call) => expect(call).rejects.toMatchObject(reused)));
  loop.hold();
  loop.told.splice(0);
  const first = controller().reconfigure({ name: "a", userConfig: blue, requestId: "in work" });
  await inWork();
  await Promise.all(other("in work").map((call) => expect(call).rejects.toMatchObject(reused)));
  loop.release();
  await first;
  expect(await inUse()).toMatchObject({ config: { model: "blue" } });
});

test("a dry run asks every replica, and changes nothing", async () => {
  await deployed();
  await loop.run();
  const asked = await controller().reconfigure({ name: "a", userConfig: red, validateOnly: true });
  expect(asked).toMatchObject({ configGeneration: 1n, deployment: { status: { generation: 1n } } });
  expect(asked.replicas.map(({ outcome }) => outcome)).toEqual([ACCEPTED, ACCEPTED]);
  await expect(controller().reconfigure({ name: "a", userConfig: bad, validateOnly: true })).rejects.toMatchObject({
    reason: "RECONFIGURE_REFUSED",
    facts: { violations },
  });
  expect(loop.told.filter((call) => !call.includes("PREPARE"))).toEqual([]);
  expect(await inUse()).toEqual(before);
  const { effect, deployment } = await controller().deploy({ spec: specOf("a", { userConfig: red }), validateOnly: true });
  expect([effect, deployment?.status?.generation]).toEqual([Effect.RECONFIGURE, 2n]);
  expect(await inUse()).toEqual(before);
});

test("a config that is kept can be gone back to, bound on requests and all, under a new generation", async () => {
  await deployed("a", 1, { maxOngoingRequests: 3 });
  await loop.run();
  await controller().deploy({ spec: specOf("a", { userConfig: red, maxOngoingRequests: 4 }) });
  const { configGeneration, deployment } = await controller().reconfigure({ name: "a", toGeneration: 1n });
  expect(configGeneration).toBe(3n);
  expect(deployment?.spec).toMatchObject({ userConfig: { kind: blue.kind }, maxOngoingRequests: 3 });
  await expect(controller().reconfigure({ name: "a", toGeneration: 9n })).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "CONFIG_NOT_FOUND",
    message: expect.stringContaining("1, 2, 3"),
    facts: { metadata: { deployment: "a", config_generation: "9" } },
  });
});

test("one of no user_config cannot be gone back to", async () => {
  await deployed("a", 1, { userConfig: undefined });
  await loop.run();
  await controller().reconfigure({ name: "a", userConfig: red });
  await expect(controller().reconfigure({ name: "a", toGeneration: 1n })).rejects.toMatchObject({ reason: "RECONFIGURE_REFUSED" });
  expect(await inUse()).toMatchObject({ config: { model: "red" }, configGeneration: 2 });
});

test("a second change, and a Scale, wait for the end of the one in work", async () => {
  await deployed();
  await loop.run();
  loop.hold();
  const done: string[] = [];
  const note = (what: string) => () => done.push(what);
  const first = controller().reconfigure({ name: "a", userConfig: red }).then(note("first"));
  await inWork();
  const second = controller().deploy({ spec: specOf("a", { userConfig: blue, numReplicas: 2 }) });
  const scale = controller().scale({ name: "a", numReplicas: 5 });
  const noted = [second.then(note("second")), scale.then(note("scale"))];
  // Another deployment is not waited with.
  await controller().deploy({ spec: specOf("b") });
  expect(done).toEqual([]);
  expect(await inUse()).toMatchObject({ config: { model: "blue" }, generation: 1 });
  loop.release();
  await Promise.all([first, ...noted]);
  expect(done[0]).toBe("first");
  expect(await inUse()).toMatchObject({ config: { model: "blue" }, generation: 4, configGeneration: 3, changing: undefined });
});

test("Delete does not wait for a change: it ends the change, and the caller of the change gets an error", async () => {
  await deployed();
  await loop.run();
  loop.hold();
  const change = controller().reconfigure({ name: "a", userConfig: red });
  const refused = expect(change).rejects.toMatchObject({
    reason: "RECONFIGURE_REFUSED",
    message: expect.stringContaining("was changed or deleted"),
  });
  await inWork();
  await controller().deleteDeployment({ name: "a" });
  expect((await recordOf(opened.store, "a")).deletingSinceMs).toBeGreaterThan(0);
  // As the reconcile loop does with what is deleted: its replicas are taken away, and nothing is
  // wanted of them any more.
  for (const { key, version, value } of [...opened.mirror.replicas().values()])
    await opened.store.commit([{ put: "replica", key, version, value: { ...value, state: "DRAINING" } }]);
  await refused;
  await expect(controller().reconfigure({ name: "a", userConfig: red })).rejects.toMatchObject({ reason: "DEPLOYMENT_DELETING" });
});

test("of an Apply of which one config is refused, nothing is written", async () => {
  await deployed("a");
  await deployed("b");
  await loop.run();
  const specs = [specOf("a", { userConfig: red, numReplicas: 7 }), specOf("b", { userConfig: bad }), specOf("c")];
  await expect(controller().apply({ specs, requestId: "apply" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "RECONFIGURE_REFUSED",
    facts: { metadata: { deployment: "b" }, violations },
  });
  for (const name of ["a", "b"]) expect(await inUse(name)).toEqual(before);
  await expect(controller().getDeployment({ name: "c" })).rejects.toMatchObject({ reason: "DEPLOYMENT_NOT_FOUND" });
  expect(loop.told.filter((call) => !call.includes("PREPARE"))).toEqual([]);
  const { results } = await controller().apply({ specs: [specOf("a", { userConfig: red }), specOf("b", { userConfig: red })] });
  expect(results.map(({ effect, replicas }) => [effect, replicas.length])).toEqual([
    [Effect.RECONFIGURE, 2],
    [Effect.RECONFIGURE, 2],
  ]);
  for (const name of ["a", "b"]) expect(await inUse(name)).toMatchObject({ config: { model: "red" }, configGeneration: 2 });
});

test("the last twenty configs are kept, the newest first, each with its author", async () => {
  await deployed("a", 1);
  await loop.run();
  for (let number = 2; number <= 23; number++)
    await controller().reconfigure({ name: "a", userConfig: jsonToValue(number) }, { metadata: { "drover-author": `author ${number}` } });
  const { configs } = await controller().listConfigs({ name: "a" });
  expect(configs.map(({ configGeneration }) => Number(configGeneration))).toEqual(Array.from({ length: 20 }, (_, index) => 23 - index));
  expect(configs.map(({ author }) => author)).toEqual(Array.from({ length: 20 }, (_, index) => `author ${23 - index}`));
  expect(configs.filter(({ current }) => current).map(({ userConfig }) => userConfig?.kind.value)).toEqual([23]);
  expect(configs.every(({ revision, commitTime }) => revision === 1n && commitTime !== undefined)).toBe(true);
});

test("a user_config that is too large, not JSON, or missing is refused by field, and nothing begins", async () => {
  await deployed();
  const large = jsonToValue("x".repeat(2 ** 20));
  const notJson = { kind: { case: "numberValue" as const, value: Number.NaN } };
  const invalid = (field: string) => ({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", facts: { violations: [{ field }] } });
  await expect(controller().reconfigure({ name: "a", userConfig: large })).rejects.toMatchObject(invalid("user_config"));
  await expect(controller().deploy({ spec: specOf("a", { userConfig: large }) })).rejects.toMatchObject(invalid("spec.user_config"));
  await expect(controller().reconfigure({ name: "a", userConfig: notJson })).rejects.toMatchObject(invalid("user_config"));
  for (const request of [{ name: "a" }, { name: "a", userConfig: red, toGeneration: 1n }])
    await expect(controller().reconfigure(request)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(controller().reconfigure({ name: "b", userConfig: red })).rejects.toMatchObject({ reason: "DEPLOYMENT_NOT_FOUND" });
  expect(await inUse()).toEqual(before);
});
