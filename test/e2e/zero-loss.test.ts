// Goal: what changes a deployment costs its callers nothing. Method: callers that never try again
// call through the gateway all the time; beside them the API is asked again and again which
// replicas get requests. Every failure, and every answer that contradicts what the API said, is
// told. A contradiction is one for certain: moments are compared only where the earlier one was
// over before the later one began.
import { afterEach, expect, test } from "vitest";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { type Replica, ReplicaState, ReplicaStateSchema } from "../../gen/drover/v1/deployment_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { jsonToValue, valueToJson } from "../../src/rpc/json-value.ts";
import type { CallOptions } from "../../src/rpc/service.ts";
import { alive, Drover, until } from "./drover.ts";

const clientCount = 32;
const channelCount = 4;
/** A call that takes longer has failed. */
const callMaxMs = 30_000;
/** How many answers of each step there have to be at least, so that its law was put to the test. */
const answersMin = 200;

interface Closable {
  close(): Promise<void> | void;
}
const opened: Closable[] = [];
/** The last opened is closed first, also where a test has failed. */
function closing<T extends Closable>(thing: T): T {
  opened.push(thing);
  return thing;
}
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});

/** The replica that answered, in the program's answer. */
interface Told {
  readonly replica: string;
  readonly version: string;
}

/** A call that is over. Moments are milliseconds since 1970, of this machine's one clock. */
interface Call {
  /** For a person: whose call, of which kind. */
  readonly name: string;
  readonly beganMs: number;
  readonly endedMs: number;
  /** Empty: status OK. */
  readonly failure: string;
  /** The response header `drover-replica`. */
  readonly replica: string;
  readonly told: Told | undefined;
}

/**
 * Calls one after the other, by each of several clients, until stopped; never the same call twice.
 */
class Load {
  readonly calls: Call[] = [];
  readonly #clients: readonly Promise<void>[];
  #going = true;

  constructor(gateway: string, deployment: string) {
    const channels = Array.from({ length: channelCount }, () => closing(new Channel(gateway)));
    this.#clients = Array.from({ length: clientCount }, (_, index) => {
      const channel = channels[index % channelCount] as Channel;
      const typed = index % (2 * channelCount) < channelCount;
      const call = typed ? typedCall(channel, deployment) : invokeCall(channel, deployment);
      return this.#client(`client ${index} (${typed ? "typed" : "Invoke"})`, call);
    });
  }

  /** Waits until as many calls more have begun and ended. */
  async flows(): Promise<void> {
    const sinceMs = Date.now();
    let [at, count] = [this.calls.length, 0];
    await until("requests flow", () => {
      for (; at < this.calls.length; at++) if ((this.calls[at] as Call).beganMs > sinceMs) count++;
      return count >= answersMin;
    });
  }

  /** Ends when the last calls have ended. */
  async close(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#clients);
  }

  async #client(name: string, call: (ms: number, options: CallOptions) => Promise<Told>): Promise<void> {
    for (let turn = 0; this.#going; turn++) {
      const beganMs = Date.now();
      let replica = "";
      const onHeaders: CallOptions["onHeaders"] = (headers) => {
        replica = String(headers.get("drover-replica")[0] ?? "");
      };
      const [told, failure] = await call(5 + (turn % 16), { deadlineMs: callMaxMs, onHeaders }).then(
        (told) => [told, ""] as const,
        (error: unknown) => [undefined, failureText(error)] as const,
      );
      this.calls.push({ name: `${name}, call ${turn}`, beganMs, endedMs: Date.now(), failure, replica, told });
    }
  }
}

function invokeCall(channel: Channel, deployment: string) {
  const client = channel.client(InvokeService);
  return async (ms: number, options: CallOptions): Promise<Told> => {
    const input = { case: "json", value: jsonToValue(ms) } as const;
    const { output } = await client.invoke({ deployment, method: "work", input }, options);
    return (output.case === "json" ? valueToJson(output.value) : {}) as unknown as Told;
  };
}

function typedCall(channel: Channel, deployment: string) {
  const client = channel.client(GreeterService);
  return async (ms: number, options: CallOptions): Promise<Told> => {
    const { greeting } = await client.greet({ name: String(ms) }, { ...options, metadata: { "drover-deployment": deployment } });
    return JSON.parse(greeting) as Told;
  };
}

function failureText(error: unknown): string {
  const { code, reason, message } = error as { code?: string; reason?: string; message?: string };
  return `${code ?? "no status"} ${reason ?? ""}: ${message ?? String(error)}`;
}

/** What the API said of one replica, all of it. */
interface Sight {
  /** When it was asked for the last answer in which the replica did not yet get requests. */
  notYetMs: number;
  /** When the first answer had come in which the replica gets no more; -1: there is none. */
  noMoreMs: number;
  /** As `noMoreMs`, of an answer that says that it drains. */
  drainingMs: number;
  state: ReplicaState;
}

/** Asks the API again and again where a deployment's replicas are in their lives. */
class Sights {
  readonly of = new Map<string, Sight>();
  readonly #drover: Drover;
  readonly #deployment: string;
  readonly #ended: Promise<unknown>;
  #going = true;

  constructor(drover: Drover, deployment: string) {
    this.#drover = drover;
    this.#deployment = deployment;
    const lifeMs = 600_000;
    this.#ended = until("nobody wants to know any more", () => this.#look().then(() => !this.#going), lifeMs);
    this.#ended.catch(() => {}); // reported by `close`
  }

  /**
   * Looks a last time, so that every replica that ever answered has been seen. Fails if the API
   * failed at any time.
   */
  async close(): Promise<void> {
    if (!this.#going) return;
    this.#going = false;
    await this.#ended;
    await this.#look();
  }

  async #look(): Promise<void> {
    const askedMs = Date.now();
    const { replicas } = await this.#drover.controller.listReplicas({ deployment: this.#deployment, pageSize: 1_000 });
    for (const replica of replicas) this.#note(replica, askedMs, Date.now());
  }

  #note({ replicaId, state }: Replica, askedMs: number, toldMs: number): void {
    const sight = this.of.get(replicaId) ?? { notYetMs: -1, noMoreMs: -1, drainingMs: -1, state };
    this.of.set(replicaId, sight);
    sight.state = state;
    if (state < ReplicaState.RUNNING) sight.notYetMs = askedMs;
    if (state > ReplicaState.RUNNING && sight.noMoreMs < 0) sight.noMoreMs = toldMs;
    if (state === ReplicaState.DRAINING && sight.drainingMs < 0) sight.drainingMs = toldMs;
  }
}

/** A change of the deployment: from when it was asked for until it had come to rest. */
interface Step {
  readonly name: string;
  readonly askedMs: number;
  readonly settledMs: number;
}

/**
 * How a call breaks the law: it failed, or a replica answered that was not routable at any moment
 * of the call.
 */
function faultOf({ failure, replica, told, beganMs, endedMs }: Call, sights: Sights): string {
  if (failure !== "") return failure;
  if (told?.replica !== replica) return `the gateway says ${replica} answered, the program says ${told?.replica}`;
  const sight = sights.of.get(replica);
  if (sight === undefined) return `answered by ${replica}, of which the API has never told`;
  if (endedMs < sight.notYetMs) return `answered by ${replica}, which was not yet RUNNING ${sight.notYetMs - endedMs} ms after the answer`;
  if (sight.noMoreMs >= 0 && beganMs > sight.noMoreMs) {
    return `answered by ${replica}, of which the API had said ${beganMs - sight.noMoreMs} ms before the request that it is not RUNNING any more`;
  }
  return "";
}

/**
 * What is against the law in the version that answered: the old one before the rollout and after
 * the rollback, the new one between them, any during them.
 */
function wrongVersion({ told, beganMs, endedMs }: Call, rollout: Step, rollback: Step): string {
  const old = endedMs < rollout.askedMs || beganMs > rollback.settledMs;
  const fresh = beganMs > rollout.settledMs && endedMs < rollback.askedMs;
  const wanted = old ? "1" : fresh ? "2" : told?.version;
  return told?.version === wanted ? "" : `answered by version ${told?.version}, where only version ${wanted} should`;
}

/** Where a call lies among the steps; for a person. */
function momentOf({ beganMs, endedMs, name }: Call, steps: readonly Step[]): string {
  const during = steps.filter(({ askedMs, settledMs }) => beganMs <= settledMs && endedMs >= askedMs);
  const [from, to] = [beganMs, endedMs].map((ms) => ms - (steps[0]?.askedMs ?? 0));
  return `${name}, ${from} to ${to} ms, ${during.length === 0 ? "between steps" : `during ${during.map(({ name }) => name).join(", ")}`}`;
}

test("a rollout, scaling down and up, a rollback and the end of another deployment fail no request, and none reaches a replica that is not RUNNING", async () => {
  const drover = closing(await Drover.start());
  const spec = (version: string) => ({ numReplicas: 10, version, initArgs: { version } });
  await Promise.all([
    drover.deploy("steady", spec("1"), "steady.ts"),
    drover.deploy("other", { ...spec("1"), numReplicas: 3 }, "steady.ts"),
  ]);
  const sights = closing(new Sights(drover, "steady"));
  const load = closing(new Load(drover.addresses.gateway, "steady"));
  const steps: Step[] = [];
  const step = async (name: string, act: () => Promise<unknown>): Promise<Step> => {
    await load.flows();
    const askedMs = Date.now();
    await act();
    const done = { name, askedMs, settledMs: Date.now() };
    steps.push(done);
    return done;
  };
  const scale = async (numReplicas: number) => {
    await drover.controller.scale({ name: "steady", numReplicas });
    expect((await drover.settled("steady")).status?.runningReplicas).toBe(numReplicas);
  };

  const rollout = await step("the rollout", async () => {
    expect(await drover.deploy("steady", spec("2"), "steady.ts")).toMatchObject({ status: { revision: 2n, updatedReplicas: 10 } });
  });
  await step("the scaling to 3", () => scale(3));
  await step("the scaling to 10", () => scale(10));
  const rollback = await step("the rollback", async () => {
    await drover.controller.rollback({ name: "steady", revision: 1n });
    expect(await drover.settled("steady")).toMatchObject({ spec: { version: "1" }, status: { revision: 1n, updatedReplicas: 10 } });
  });
  await step("the deletion of another", async () => {
    await drover.controller.deleteDeployment({ name: "other" });
    await until("it is gone", async () =>
      (await drover.controller.listDeployments({})).deployments.every(({ spec }) => spec?.name !== "other"),
    );
  });
  await load.flows();
  await load.close();
  await sights.close();

  const { calls } = load;
  const faults = calls.flatMap((call) => {
    const fault = faultOf(call, sights) || wrongVersion(call, rollout, rollback);
    return fault === "" ? [] : `${fault} [${momentOf(call, steps)}]`;
  });
  expect(faults.length, `${faults.length} of ${calls.length} calls:\n${faults.join("\n")}`).toBe(0);
  // That the law was put to the test: 10 of the first revision, 10 of the second and 7 more, 10 of
  // the first again; all but the last went.
  expect(new Set(calls.map(({ replica }) => replica)).size).toBeGreaterThanOrEqual(37);
  expect([...sights.of.values()].filter(({ noMoreMs }) => noMoreMs >= 0).length).toBeGreaterThanOrEqual(27);
});

/** One stream of the program's, 5 s long. */
interface Stream {
  replica: string;
  /** What came, and how it ended: empty: with status OK. */
  readonly items: (Told & { readonly item: number; readonly atMs: number })[];
  readonly failure: Promise<string>;
}

const streamed = { items: 50, everyMs: 100 };

function openStream(channel: Channel, deployment: string): Stream {
  const stream: { -readonly [K in keyof Stream]: Stream[K] } = { replica: "", items: [], failure: Promise.resolve("") };
  const onHeaders: CallOptions["onHeaders"] = (headers) => {
    stream.replica = String(headers.get("drover-replica")[0] ?? "");
  };
  const input = { case: "json", value: jsonToValue(streamed) } as const;
  const read = async () => {
    const responses = channel.client(InvokeService).invokeServerStream({ deployment, method: "stream", input }, { onHeaders });
    for await (const { output } of responses) {
      stream.items.push((output.case === "json" ? valueToJson(output.value) : {}) as unknown as Stream["items"][number]);
    }
    return "";
  };
  stream.failure = read().catch(failureText);
  return stream;
}

test("a stream outlives the drain of its replica: a rollout lets it come to its end", async () => {
  const drover = closing(await Drover.start());
  const channel = closing(new Channel(drover.addresses.gateway));
  const spec = (version: string) => ({ numReplicas: 4, maxOngoingRequests: 5, version, initArgs: { version } });
  await drover.deploy("streamed", spec("1"), "steady.ts");
  const before = await drover.running("streamed");
  const sights = closing(new Sights(drover, "streamed"));
  // One more than three replicas may have: so each of the four has some.
  const streams = Array.from({ length: 16 }, () => openStream(channel, "streamed"));
  await until("all streams flow", () => streams.every(({ items }) => items.length > 0));
  expect(new Set(streams.map(({ replica }) => replica))).toEqual(new Set(before.map(({ replicaId }) => replicaId)));

  const after = await drover.deploy("streamed", spec("2"), "steady.ts");
  const failures = await Promise.all(streams.map(({ failure }) => failure));
  await sights.close();
  expect(failures.filter((failure) => failure !== "")).toEqual([]);
  const whole = Array.from({ length: streamed.items }, (_, index) => index + 1);
  for (const { replica, items } of streams) {
    expect(items.map(({ item }) => item)).toEqual(whole);
    expect(new Set(items.map((item) => `${item.replica} of version ${item.version}`))).toEqual(new Set([`${replica} of version 1`]));
  }
  // Items made after the API had reported that their replica drains.
  const late = streams.map(({ replica, items }) => {
    const drainingMs = sights.of.get(replica)?.drainingMs ?? -1;
    return drainingMs < 0 ? 0 : items.filter(({ atMs }) => atMs > drainingMs).length;
  });
  expect(Math.max(...late)).toBeGreaterThan(0);
  expect(after.status).toMatchObject({ revision: 2n, runningReplicas: 4, updatedReplicas: 4 });
  expect(before.map(({ replicaId }) => ReplicaStateSchema.value[sights.of.get(replicaId)?.state ?? 0]?.localName)).toEqual(
    Array(4).fill("STOPPED"),
  );
  expect(before.filter(({ pid }) => alive(pid))).toEqual([]);
});
