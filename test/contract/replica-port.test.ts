// Goal: the simulated port reports to the loops what the links would report. Method: one suite, run
// on the links, with replicas served on sockets, and on their twin, over replicas of a simulated
// engine.
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { realClock, realRandom } from "../../src/clock/real.ts";
import type { AutoscalingConfig } from "../../src/core/autoscaling-config.ts";
import type { ConfigPhase, ReplicaConfig } from "../../src/core/config-change.ts";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import type { ReplicaRecord, ReplicaState } from "../../src/core/replica.ts";
import { ReplicaLinks } from "../../src/links/replica-links.ts";
import { type LiveReplicaPort, noContact, type ReplicaContact } from "../../src/links/replica-port.ts";
import type { WantedConfig } from "../../src/links/wanted-config.ts";
import { silentLog } from "../../src/log/log.ts";
import { deployment, type Json } from "../../src/replica/index.ts";
import { createProgram } from "../../src/replica/program.ts";
import { ReplicaServer } from "../../src/replica/replica-server.ts";
import { createReplicaLog } from "../../src/replica/stderr-log.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { assignment } from "../engine/assignment.ts";
import { spec } from "../kit/records.ts";
import { until } from "../kit/until.ts";
import { gate, invoker, temporaryFolder } from "../replica/harness.ts";
import { SimulatedEngine } from "../sim/simulated-engine.ts";
import { Behaviours, SimulatedPort } from "../sim/simulated-port.ts";

const [id, token] = ["app-1", "secret"];
const never = new AbortController().signal;

/** What the port is to go by. */
interface Wishes {
  /** Undefined: another controller leads. */
  epoch: number | undefined;
  wanted: WantedConfig;
}

/** A port, and a replica that it may talk to, which does what the test says. */
interface Subject {
  readonly port: LiveReplicaPort;
  readonly address: string;
  /** The replica's program serves from now on. */
  serve(): Promise<void>;
  /** Its process ends. */
  end(): Promise<void>;
  /** From now on it refuses each config that it is to serve by. */
  refuse(): void;
  /** A request without a gateway; returns what ends it. */
  work(): Promise<() => Promise<void>>;
  /** The generation of the config it serves by. */
  generation(): Promise<number>;
}

async function links(wishes: Wishes): Promise<Subject> {
  const address = `unix:${join(await temporaryFolder(), "s")}`;
  const channel = new Channel(address);
  const port = new ReplicaLinks({
    wanted: () => wishes.wanted,
    epoch: () => wishes.epoch,
    given: () => 0,
    clock: realClock,
    log: silentLog,
  });
  let refuses = false;
  const held = gate();
  class Program {
    validateConfig(_: Json) {
      if (refuses) throw new Error("no such colour");
    }
    reconfigure(_: Json) {}
    async call(): Promise<null> {
      await held.promise;
      return null;
    }
  }
  const server = new ReplicaServer(await createProgram(deployment(Program), {}), {
    identity: { replicaId: id, deployment: "app", revision: 1 },
    maxOngoingRequests: 100,
    token,
    log: createReplicaLog(() => {}, realClock),
    clock: realClock,
    random: realRandom,
  });
  onTestFinished(async () => {
    held.resolve();
    await port.close();
    channel.close();
    await server.close(0);
  });
  return {
    port,
    address,
    serve: async () => void (await server.listen(address)),
    end: () => server.close(0),
    refuse: () => {
      refuses = true;
    },
    work: async () => {
      const answered = invoker(channel).invoke("call");
      return async () => {
        held.resolve();
        await answered;
      };
    },
    generation: async () => Number((await channel.client(ReplicaService).getInfo({})).configGeneration),
  };
}

async function simulated(wishes: Wishes): Promise<Subject> {
  const engine = new SimulatedEngine({
    clock: realClock,
    capacity: { cpuMilli: 10_000, gpuCount: 0, memoryBytes: 2 ** 30 },
    fate: () => ({ servesAfterMs: 0 }),
  });
  const behaviours = new Behaviours();
  let refuses = false;
  const port = new SimulatedPort({
    engine,
    clock: realClock,
    behaviours,
    wanted: () => wishes.wanted,
    epoch: () => wishes.epoch,
    fate: (_: string, phase: ConfigPhase) => ({ delayMs: 1, fails: refuses && phase !== "REVERT", losesAnswer: false, crashes: false }),
  });
  return {
    port,
    address: "unix:/simulated/app-1.sock",
    serve: () => engine.start(assignment(id, ["app"])),
    end: async () => engine.end(id, { kind: "signal", signal: "SIGKILL" }),
    refuse: () => {
      refuses = true;
    },
    work: async () => {
      behaviours.set(id, { ongoing: 1 });
      port.learn(id);
      return async () => behaviours.set(id, { ongoing: 0 });
    },
    generation: async () => behaviours.configs.of(id).generation,
  };
}

const ports = [
  ["the links", links],
  ["their simulated twin", simulated],
] as const;

const autoscalingConfig = { metricsIntervalMs: 100 } as AutoscalingConfig;
const record: DeploymentRecord = {
  uid: "u",
  spec: { ...spec, name: "app", autoscalingConfig, healthCheck: { periodMs: 50, timeoutMs: 1_000, failureThreshold: 1_000 } },
  generation: 1,
  revision: 1,
  newestRevision: 1,
  configGeneration: 1,
  newestConfigGeneration: 1,
  createdAtMs: 0,
  updatedAtMs: 0,
};

function replica(state: ReplicaState, address: string | undefined): ReplicaRecord {
  return {
    id,
    deployment: "app",
    uid: "u",
    revision: 1,
    state,
    resources: spec.resources,
    gpuIndexes: [],
    node: "here",
    ...(address !== undefined && { address }),
    token,
    createdAtMs: 0,
    sinceMs: realClock.nowMs(),
  };
}

const config = (generation: number, userConfig: Json): ReplicaConfig => ({ generation, userConfig, maxOngoingRequests: 100 });
const order = (phase: ConfigPhase, generation: number, userConfig: Json, answerMaxMs = 30_000) => ({
  phase,
  config: config(generation, userConfig),
  answerMaxMs,
});

describe.each(ports)("%s", (_, open) => {
  async function opened({ epoch = 1 }: { readonly epoch?: number | undefined } = {}) {
    const wishes: Wishes = { epoch, wanted: { config: config(1, "blue"), changing: false } };
    const subject = await open(wishes);
    const { port, address } = subject;
    const connect = (state: ReplicaState) => port.connect([{ replica: replica(state, address), deployment: record }]);
    const contact = () => port.contact(id);
    /**
     * Connects to the replica in this state, again and again as the loops do, until `reached` holds.
     */
    const metUntil = (state: ReplicaState, reached: (contact: ReplicaContact) => boolean) =>
      until(() => {
        connect(state);
        return reached(contact());
      });
    return { ...subject, wishes, connect, contact, metUntil };
  }

  test("knows nothing of a replica that it was never connected to", async () => {
    const { contact } = await opened();
    expect(contact()).toEqual(noContact);
  });

  test("does not talk to a replica whose address is not known yet, and does once it is", async () => {
    const { port, contact, serve, metUntil } = await opened();
    await serve();
    port.connect([{ replica: replica("STARTING", undefined), deployment: record }]);
    expect(contact()).toEqual(noContact);
    await metUntil("STARTING", ({ answer }) => answer === "ready");
  });

  test("knows since when it has been talking to a replica that does not serve yet, and no more", async () => {
    const { contact, connect } = await opened();
    const beganMs = realClock.nowMs();
    connect("STARTING");
    expect(contact()).toMatchObject({ answer: "unknown", routable: false, load: undefined, configGeneration: undefined, drained: false });
    expect(contact().contactSinceMs).toBeGreaterThanOrEqual(beganMs);
    const { contactSinceMs } = contact();
    connect("STARTING");
    expect(contact().contactSinceMs).toBe(contactSinceMs);
  });

  test("reports a starting replica as ready once it has the committed config, and wakes the loops", async () => {
    const { port, serve, metUntil, contact, generation } = await opened();
    const changed = new Set<string>();
    port.onChange((name) => changed.add(name));
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    expect(contact()).toMatchObject({ routable: true, controllable: true, configGeneration: 1 });
    expect(await generation()).toBe(1);
    expect([...changed]).toEqual(["app"]);
  });

  test("gives a starting replica no config while another controller leads, and does not report it as ready", async () => {
    const { wishes, serve, metUntil, contact, generation } = await opened();
    wishes.epoch = undefined;
    await serve();
    await metUntil("STARTING", ({ controllable }) => controllable);
    expect(contact()).toMatchObject({ answer: "unknown", routable: false, configGeneration: 0 });
    expect(await generation()).toBe(0);
    wishes.epoch = 1;
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    expect(await generation()).toBe(1);
  });

  test("assumes that a replica recorded as RUNNING by another controller has its config, also if it was connected before", async () => {
    const { wishes, serve, metUntil, contact } = await opened();
    wishes.epoch = undefined;
    await serve();
    await metUntil("STARTING", ({ controllable }) => controllable);
    await metUntil("RUNNING", ({ answer }) => answer === "ready");
    expect(contact().routable).toBe(true);
  });

  test("reports a replica that refuses the committed config as refused, and sends it no requests", async () => {
    const { serve, refuse, metUntil, contact, generation } = await opened();
    refuse();
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "refused");
    expect(contact().routable).toBe(false);
    expect(await generation()).toBe(0);
  });

  test("brings a replica that runs to the config that is committed", async () => {
    const { wishes, serve, metUntil, contact, generation } = await opened();
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    wishes.wanted = { config: config(2, "green"), changing: false };
    await metUntil("RUNNING", ({ configGeneration }) => configGeneration === 2);
    expect(await generation()).toBe(2);
    expect(contact()).toMatchObject({ answer: "ready", routable: true });
  });

  test("sends nothing by itself to a replica whose config is being changed, and makes each step when called", async () => {
    const { port, wishes, serve, metUntil, contact, generation } = await opened();
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    wishes.wanted = { config: config(1, "blue"), changing: true };
    await metUntil("RUNNING", ({ answer }) => answer === "ready");
    expect(await port.giveConfig(id, order("PREPARE", 2, "green"), never)).toEqual({ replicaId: id, kind: "done" });
    expect(await generation()).toBe(1);
    expect(await port.giveConfig(id, order("APPLY", 2, "green"), never)).toEqual({ replicaId: id, kind: "done" });
    expect(await generation()).toBe(2);
    expect(contact()).toMatchObject({ configGeneration: 2, routable: true });
    expect(await port.giveConfig(id, order("REVERT", 1, "blue"), never)).toEqual({ replicaId: id, kind: "done" });
    expect(await generation()).toBe(1);
    expect(contact()).toMatchObject({ configGeneration: 1, routable: true });
  });

  test("reports that a replica refused a step, and the replica goes on with its config", async () => {
    const { port, wishes, serve, refuse, metUntil, contact, generation } = await opened();
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    wishes.wanted = { config: config(1, "blue"), changing: true };
    await metUntil("RUNNING", ({ answer }) => answer === "ready");
    refuse();
    expect(await port.giveConfig(id, order("PREPARE", 2, "green"), never)).toMatchObject({ replicaId: id, kind: "refused" });
    expect(await generation()).toBe(1);
    expect(contact()).toMatchObject({ answer: "ready", routable: true, configGeneration: 1 });
  });

  test("reports a replica that does not serve as silent after its timeout, and gives up sooner if the call is aborted", async () => {
    const { port, connect } = await opened();
    const beganMs = realClock.nowMs();
    expect(await port.giveConfig(id, order("PREPARE", 2, "green", 50), never)).toMatchObject({ replicaId: id, kind: "silent" });
    connect("RUNNING");
    expect(await port.giveConfig(id, order("PREPARE", 2, "green", 50), never)).toMatchObject({ replicaId: id, kind: "silent" });
    expect(realClock.nowMs() - beganMs).toBeGreaterThanOrEqual(95);
    const left = new AbortController();
    const told = port.giveConfig(id, order("PREPARE", 2, "green"), left.signal);
    left.abort();
    expect(await told).toEqual({ replicaId: id, kind: "gone" });
  });

  test("reports the ongoing requests of a replica, and calls the listeners", async () => {
    const { port, serve, work, metUntil, contact } = await opened();
    const reports: (readonly [string, number])[] = [];
    port.onReport((replicaId, ongoing) => reports.push([replicaId, ongoing]));
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    await metUntil("RUNNING", ({ load }) => load?.ongoing === 0);
    const done = await work();
    await metUntil("RUNNING", ({ load }) => load?.ongoing === 1);
    expect(contact().load?.elsewhere).toBe(1);
    expect(reports).toContainEqual([id, 1]);
    await done();
    await metUntil("RUNNING", ({ load }) => load?.ongoing === 0);
  });

  test("sends no requests to a replica whose process has ended, and does not know its load", async () => {
    const { serve, end, metUntil, contact } = await opened();
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    await metUntil("RUNNING", ({ load }) => load !== undefined);
    await end();
    await metUntil("RUNNING", ({ routable, load }) => !routable && load === undefined);
    expect(contact().answer).toBe("ready");
  });

  test("reports that a replica has drained once no request is ongoing, and not before", async () => {
    const { serve, work, metUntil, contact } = await opened();
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    const done = await work();
    await metUntil("RUNNING", ({ load }) => load?.ongoing === 1);
    await metUntil("DRAINING", ({ load }) => load?.ongoing === 1);
    expect(contact().drained).toBe(false);
    await done();
    await metUntil("DRAINING", ({ drained }) => drained);
  });

  test("drains a replica when asked, whatever its record says", async () => {
    const { port, serve, work, metUntil, contact } = await opened();
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    const done = await work();
    await metUntil("RUNNING", ({ load }) => load?.ongoing === 1);
    port.drain(id);
    expect(contact().drained).toBe(false);
    await done();
    await metUntil("RUNNING", ({ drained }) => drained);
  });

  test("drains no replica while another controller leads", async () => {
    const { wishes, serve, metUntil, contact } = await opened();
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    wishes.epoch = undefined;
    await metUntil("DRAINING", ({ load }) => load?.ongoing === 0);
    expect(contact().drained).toBe(false);
    wishes.epoch = 2;
    await metUntil("DRAINING", ({ drained }) => drained);
  });

  test("forgets a replica that it disconnects from, and starts from nothing when it connects again", async () => {
    const { port, serve, metUntil, contact } = await opened();
    await serve();
    await metUntil("STARTING", ({ answer }) => answer === "ready");
    port.connect([]);
    expect(contact()).toEqual(noContact);
    await metUntil("RUNNING", ({ answer }) => answer === "ready");
    expect(contact()).toMatchObject({ routable: true, configGeneration: 1 });
  });
});
