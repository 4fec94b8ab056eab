// Configs of replicas that are really served, on unix sockets of this process, by the real links
// and the loop that makes changes, over a store in memory. What the reconcile loop does with
// records is done by hand.
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import type { Clock } from "../../src/clock/clock.ts";
import { realClock, realRandom } from "../../src/clock/real.ts";
import type { AutoscalingConfig } from "../../src/core/autoscaling-config.ts";
import { type ConfigChangeRecord, configOf, isOver, type ReplicaConfig } from "../../src/core/config-change.ts";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import { changing } from "../../src/core/generations.ts";
import type { ReplicaRecord, ReplicaState } from "../../src/core/replica.ts";
import { ReplicaLinks } from "../../src/links/replica-links.ts";
import { wantedConfig } from "../../src/links/wanted-config.ts";
import { silentLog } from "../../src/log/log.ts";
import { ConfigChangeLoop } from "../../src/loops/config-change-loop.ts";
import { deployment, type Json } from "../../src/replica/index.ts";
import { createProgram } from "../../src/replica/program.ts";
import { ReplicaServer } from "../../src/replica/replica-server.ts";
import { createReplicaLog } from "../../src/replica/stderr-log.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { Mirror } from "../../src/store/mirror.ts";
import { spec } from "../kit/records.ts";
import { until } from "../kit/until.ts";
import { failure, gate, invoker, steps, temporaryFolder } from "../replica/harness.ts";

const [name, uid, token] = ["app", "u", "secret"];

/** What a program was given, and how it takes what it is given next. */
class Taker {
  readonly taken: Json[] = [];
  /** Whether it refuses a config: when it is asked, or half-way when it is to serve by it. */
  refuses: (when: "asked" | "taken", config: Json) => boolean = () => false;
  /** Holds `reconfigure` until it resolves. */
  held: Promise<void> = Promise.resolve();
}

/**
 * A replica served in this process, with a channel of its own that proves itself as a leader does.
 */
class Served {
  readonly record: ReplicaRecord;
  readonly taker: Taker;
  readonly channel: Channel;

  private constructor(id: string, address: string, state: ReplicaState, taker: Taker) {
    const times = { createdAtMs: 0, sinceMs: realClock.nowMs() };
    const resources = { cpuMilli: 0, gpuMilli: 0, memoryBytes: 0 };
    this.record = { id, deployment: name, uid, revision: 1, state, resources, gpuIndexes: [], address, token, ...times };
    this.taker = taker;
    this.channel = new Channel(address);
  }

  static async open(id: string, state: ReplicaState): Promise<Served> {
    const taker = new Taker();
    class Program {
      validateConfig(config: Json) {
        if (taker.refuses("asked", config)) throw new Error("no such model");
      }
      async reconfigure(config: Json) {
        taker.taken.push(config);
        await taker.held;
        if (taker.refuses("taken", config)) throw new Error("out of memory");
      }
      async call(): Promise<string> {
        await taker.held;
        return "called";
      }
    }
    const server = new ReplicaServer(await createProgram(deployment(Program), {}), {
      identity: { replicaId: id, deployment: name, revision: 1 },
      maxOngoingRequests: 100,
      token,
      log: createReplicaLog(() => {}, realClock),
      clock: realClock,
      random: realRandom,
    });
    const served = new Served(id, await server.listen(`unix:${join(await temporaryFolder(), "s")}`), state, taker);
    onTestFinished(async () => {
      served.channel.close();
      await server.close(0);
    });
    return served;
  }

  /** Gives it a config directly, as a leader of that epoch. */
  async give(generation: number, userConfig: Json, epoch: number): Promise<number> {
    const metadata = { "drover-token": token };
    const client = this.channel.client(ReplicaService);
    return steps({ replica: { ...client, reconfigure: (request) => client.reconfigure(request, { metadata }) } }).apply(
      generation,
      userConfig,
      {
        epoch,
      },
    );
  }

  async generation(): Promise<number> {
    return Number((await this.channel.client(ReplicaService).getInfo({})).configGeneration);
  }
}

/** The state of one deployment, what leads it, and the replicas it has. */
class World {
  readonly store: MemoryStore;
  readonly mirror: Mirror;
  readonly links: ReplicaLinks;
  /** The clock of the links; a test may replace its methods. */
  readonly clock: Clock = { ...realClock };
  readonly served: readonly Served[];
  epoch = 0;
  #leaders = 0;

  private constructor(store: MemoryStore, mirror: Mirror, served: readonly Served[]) {
    this.store = store;
    this.mirror = mirror;
    this.served = served;
    this.links = new ReplicaLinks({
      wanted: (replica) => wantedConfig(mirror, replica),
      epoch: () => this.epoch,
      given: () => 0,
      clock: this.clock,
      log: silentLog,
    });
  }

  /**
   * Replicas r0, r1 and so on in this state; the deployment's config is committed under this
   * generation.
   */
  static async open(state: ReplicaState, committed: ReplicaConfig, replicas = 1): Promise<World> {
    const store = new MemoryStore({ clock: realClock });
    const served = await Promise.all(Array.from({ length: replicas }, (_, index) => Served.open(`${name}-r${index}`, state)));
    const { generation, ...config } = committed;
    const record: DeploymentRecord = {
      uid,
      spec: { ...spec, name, ...config },
      generation: 1,
      revision: 1,
      newestRevision: 1,
      configGeneration: generation,
      newestConfigGeneration: generation,
      createdAtMs: 0,
      updatedAtMs: 0,
    };
    await store.commit([
      { put: "deployment", key: name, version: 0, value: record },
      ...served.map(({ record }) => ({ put: "replica", key: record.id, version: 0, value: record }) as const),
    ]);
    const mirror = await Mirror.open({ store, clock: realClock, log: silentLog });
    const world = new World(store, mirror, served);
    onTestFinished(async () => {
      await world.links.close();
      await mirror.close();
    });
    await world.lead();
    return world;
  }

  get only(): Served {
    const [only] = this.served;
    if (only === undefined) throw new Error("there is no replica");
    return only;
  }

  /** Somebody else leads from now on, under a higher epoch. */
  async lead(): Promise<void> {
    await this.store.releaseLease(`leader ${this.#leaders}`);
    this.#leaders += 1;
    const lease = await this.store.acquireLease(`leader ${this.#leaders}`, 600_000);
    if (!lease.held) throw new Error("the lease is held by somebody else");
    this.epoch = lease.epoch;
  }

  deployment(): DeploymentRecord {
    const record = this.mirror.deployment(name)?.value;
    if (record === undefined) throw new Error("there is no deployment");
    return record;
  }

  /** Talks to the replicas as their records are now. */
  connect(): void {
    const replicas = this.mirror.replicasOf(name).map(({ value }) => value);
    this.links.connect(replicas.map((replica) => ({ replica, deployment: this.deployment() })));
  }

  contact(served = this.only) {
    return this.links.contact(served.record.id);
  }

  /** Begins a change, as the API does, and makes it to its end. */
  async change(userConfig: Json, maxOngoingRequests = spec.maxOngoingRequests): Promise<ConfigChangeRecord> {
    const { mirror, store, links } = this;
    const end = new AbortController();
    const changes = new ConfigChangeLoop({ mirror, store, port: links, epoch: () => this.epoch, clock: realClock, log: silentLog });
    const unsubscribe = mirror.subscribe(() => changes.wake());
    const running = changes.run(end.signal);
    const before = mirror.deployment(name);
    const after = changing(this.deployment(), "change");
    const change: ConfigChangeRecord = {
      ...{
        uid,
        deployment: name,
        id: "change",
        generation: after.newestConfigGeneration,
        dryRun: false,
        author: "somebody",
      },
      spec: { ...after.spec, userConfig, maxOngoingRequests },
      step: "PREPARE",
      replicas: [],
    };
    const version = mirror.changes().get(name)?.version ?? 0;
    await store.commit([
      { put: "deployment", key: name, version: before?.version ?? 0, value: after },
      { put: "change", key: name, version, value: change },
    ]);
    const now = () => mirror.changes().get(name)?.value;
    await until(() => now()?.id === "change" && isOver(now() ?? change));
    end.abort();
    await running;
    unsubscribe();
    return now() ?? change;
  }
}

/** A program that refuses one config, in one step. */
const refusesTo = (when: "asked" | "taken", config: Json) => (now: "asked" | "taken", given: Json) => now === when && given === config;

const committed = (generation: number, userConfig: Json, maxOngoingRequests = 5): ReplicaConfig => ({
  generation,
  userConfig,
  maxOngoingRequests,
});

test("a replica that starts has the committed config before it counts", async () => {
  const world = await World.open("STARTING", committed(3, "blue"));
  const open = gate();
  world.only.taker.held = open.promise;
  world.connect();
  await until(() => world.only.taker.taken.length > 0);
  expect(world.contact()).toMatchObject({ answer: "unknown", routable: false, configGeneration: 0 });
  open.resolve();
  await until(() => world.contact().answer === "ready");
  expect(world.contact()).toMatchObject({ routable: true, configGeneration: 3 });
  expect(world.only.taker.taken).toEqual(["blue"]);
});

test("a replica that starts and refuses the committed config is reported as refused, with its reason", async () => {
  for (const [when, reason] of [
    ["asked", "no such model"],
    ["taken", "out of memory"],
  ] as const) {
    const world = await World.open("STARTING", committed(1, "blue"));
    world.only.taker.refuses = (now) => now === when;
    world.connect();
    await until(() => world.contact().answer === "refused");
    const failure = { kind: "configRefused", problem: { kind: "refused", message: reason } };
    expect(world.contact()).toMatchObject({ routable: false, failure });
  }
});

test("a replica that runs at another generation, older or newer, is brought to the committed config by the link that connects", async () => {
  for (const found of [1, 3]) {
    const world = await World.open("RUNNING", committed(2, "blue"));
    await world.only.give(found, "red", world.epoch);
    await world.lead();
    world.connect();
    await until(() => world.contact().configGeneration === 2);
    expect(world.only.taker.taken).toEqual(["red", "blue"]);
    await until(() => world.contact().answer === "ready");
  }
});

test("a replica of the right generation that took another config half-way is brought back by a new leader", async () => {
  const world = await World.open("RUNNING", committed(1, "blue"));
  await world.only.give(1, "blue", world.epoch);
  world.only.taker.refuses = refusesTo("taken", "red");
  expect(await failure(world.only.give(2, "red", world.epoch))).toMatchObject({ reason: "RECONFIGURE_REFUSED" });
  expect(await world.only.generation()).toBe(1);
  await world.lead();
  world.connect();
  await until(() => world.only.taker.taken.length === 3);
  expect(world.only.taker.taken).toEqual(["blue", "red", "blue"]);
});

test("a replica that is at the committed config for certain is not given it again", async () => {
  const world = await World.open("RUNNING", committed(1, "blue"));
  await world.only.give(1, "blue", world.epoch);
  await world.lead();
  world.connect();
  await until(() => world.contact().answer === "ready");
  // In turn after whatever the link had to say.
  const asked = await world.links.giveConfig(
    world.only.record.id,
    { phase: "PREPARE", config: committed(2, "green"), answerMaxMs: 10_000 },
    new AbortController().signal,
  );
  expect(asked.kind).toBe("done");
  expect(world.only.taker.taken).toEqual(["blue"]);
});

test("a running replica that cannot be brought back is reported as refused", async () => {
  const world = await World.open("RUNNING", committed(2, "blue"));
  await world.only.give(1, "red", world.epoch);
  world.only.taker.refuses = refusesTo("taken", "blue");
  world.connect();
  await until(() => world.contact().answer === "refused");
  expect(world.contact().failure).toMatchObject({ kind: "configRefused", problem: { kind: "refused", message: "out of memory" } });
});

test("max_ongoing_requests reaches a starting replica, and with a change a running one", async () => {
  const world = await World.open("STARTING", committed(1, "blue", 1));
  world.connect();
  await until(() => world.contact().answer === "ready");
  const { invoke } = invoker(world.only.channel);
  const open = gate();
  world.only.taker.held = open.promise;
  const first = invoke("call");
  expect(await failure(Promise.race([invoke("call"), first]))).toMatchObject({ reason: "REPLICA_BUSY" });
  const entry = world.mirror.replica(world.only.record.id);
  await world.store.commit([
    { put: "replica", key: world.only.record.id, version: entry?.version ?? 0, value: { ...world.only.record, state: "RUNNING" } },
  ]);
  await world.mirror.catchUp();
  world.connect();
  expect(await world.change("blue", 2)).toMatchObject({ step: "COMMITTED", replicas: [{ outcome: "APPLIED" }] });
  const second = invoke("call");
  open.resolve();
  expect(await Promise.all([first, second])).toEqual(["called", "called"]);
  expect(world.only.taker.taken).toEqual(["blue"]);
});

test("a change that every replica takes is committed, and all serve by it", async () => {
  const world = await World.open("RUNNING", committed(1, "blue"), 3);
  world.connect();
  await until(() => world.served.every((one) => world.contact(one).answer === "ready"));
  const change = await world.change("red");
  expect(change).toMatchObject({ step: "COMMITTED", replicas: [{ outcome: "APPLIED" }, { outcome: "APPLIED" }, { outcome: "APPLIED" }] });
  await world.mirror.catchUp();
  const { changing: left, ...after } = world.deployment();
  expect(left).toBeUndefined();
  expect(configOf(after.spec, after.configGeneration)).toEqual(committed(2, "red"));
  expect(world.mirror.entriesOf("config", name).map(({ value }) => [value.generation, value.userConfig, value.author])).toEqual([
    [2, "red", "somebody"],
  ]);
  for (const one of world.served) expect([await one.generation(), one.taker.taken]).toEqual([2, ["blue", "red"]]);
});

test("a change that one replica refuses leaves all at the config before, whenever it refuses", async () => {
  for (const when of ["asked", "taken"] as const) {
    const world = await World.open("RUNNING", committed(1, "blue"), 3);
    world.connect();
    await until(() => world.served.every((one) => world.contact(one).answer === "ready"));
    const [, , last] = world.served;
    if (last !== undefined) last.taker.refuses = refusesTo(when, "red");
    const change = await world.change("red");
    expect(change.step).toBe("REFUSED");
    expect(change.replicas.filter(({ outcome }) => outcome === "REFUSED")).toMatchObject([{ replicaId: last?.record.id }]);
    await world.mirror.catchUp();
    expect(world.deployment()).toMatchObject({
      configGeneration: 1,
      newestConfigGeneration: 2,
      generation: 1,
      spec: { userConfig: "blue" },
    });
    expect(world.deployment().changing).toBeUndefined();
    expect(world.mirror.replicasOf(name).every(({ value }) => value.state === "RUNNING")).toBe(true);
    for (const one of world.served) {
      expect(await one.generation()).toBe(1);
      expect(one.taker.taken).toEqual(when === "asked" ? ["blue"] : ["blue", "red", "blue"]);
    }
  }
});

test("a replica that cannot go back is taken away with the end of the change", async () => {
  const world = await World.open("RUNNING", committed(1, "blue"), 2);
  world.connect();
  await until(() => world.served.every((one) => world.contact(one).answer === "ready"));
  const [first, second] = world.served;
  if (first !== undefined) first.taker.refuses = (when) => when === "taken" && first.taker.taken.length > 1;
  const change = await world.change("red");
  expect(change).toMatchObject({ step: "REFUSED", replicas: expect.arrayContaining([{ ...change.replicas[0], outcome: "REPLACED" }]) });
  await world.mirror.catchUp();
  expect(world.mirror.replica(first?.record.id ?? "")?.value).toMatchObject({
    state: "DRAINING",
    departure: { kind: "unknownConfig", problem: { kind: "refused", message: "out of memory" } },
  });
  expect(world.mirror.replica(second?.record.id ?? "")?.value.state).toBe("RUNNING");
  expect(await second?.generation()).toBe(1);
});

test("a replica that has been called by a later leader obeys the earlier one no more, and is not blamed for it", async () => {
  const world = await World.open("RUNNING", committed(1, "blue"));
  await world.only.give(1, "blue", world.epoch + 1);
  // The time for the answer ends in the pause after the second call. Only the pauses of one order share a signal.
  let expire: (() => void) | undefined;
  const [others, pauses] = [new Set<AbortSignal | undefined>(), new Set<AbortSignal | undefined>()];
  world.clock.after = (_ms, run) => {
    expire = run;
    return () => {};
  };
  world.clock.sleep = (ms, signal) => {
    if (expire === undefined) others.add(signal);
    else if (!others.has(signal)) {
      if (pauses.has(signal)) expire();
      pauses.add(signal);
    }
    return realClock.sleep(ms, signal);
  };
  world.connect();
  await until(() => world.contact().answer === "ready");
  const order = { phase: "APPLY", config: committed(2, "red"), answerMaxMs: 3_600_000 } as const;
  const result = await world.links.giveConfig(world.only.record.id, order, new AbortController().signal);
  expect(result).toMatchObject({
    kind: "silent",
    problem: { kind: "late", last: { kind: "callFailed", code: "FAILED_PRECONDITION" } },
  });
  expect(world.only.taker.taken).toEqual(["blue"]);
  expect(world.contact().answer).toBe("ready");
});

test("another interval of load reports holds for replicas that run", async () => {
  const world = await World.open("RUNNING", { generation: 1, maxOngoingRequests: 5 });
  world.connect();
  await until(() => world.contact().load !== undefined && world.contact().routable);
  const entry = world.mirror.deployment(name);
  const autoscalingConfig: AutoscalingConfig = {
    minReplicas: 1,
    maxReplicas: 1,
    targetOngoingRequests: 1,
    upscaleDelayMs: 0,
    downscaleDelayMs: 0,
    downscaleToZeroDelayMs: 0,
    upscalingFactor: 1,
    downscalingFactor: 1,
    lookBackPeriodMs: 1_000,
    metricsIntervalMs: 100,
    aggregation: "MEAN",
    burst: { windowMs: 1_000, threshold: 2, disabled: true },
    schedules: [],
  };
  const value = { ...world.deployment(), spec: { ...world.deployment().spec, autoscalingConfig } };
  await world.store.commit([{ put: "deployment", key: name, version: entry?.version ?? 0, value }]);
  await world.mirror.catchUp();
  world.connect();
  const times = new Set<number>();
  const untilMs = realClock.nowMs() + 900;
  await until(() => {
    times.add(world.contact().load?.atMs ?? 0);
    expect(world.contact().routable).toBe(true);
    return realClock.nowMs() > untilMs;
  });
  expect(times.size).toBeGreaterThan(4);
});
