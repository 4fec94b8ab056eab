// Goal: each invariant of the simulator can fail. Method: the rule is broken on purpose, by
// something false between a controller and what it stands on, and within a few histories that
// invariant, and no other before it, must raise the alarm.
import { expect, test } from "vitest";
import type { AutoscalingConfig } from "../../src/core/autoscaling-config.ts";
import { digestOf } from "../../src/core/bundle.ts";
import type { CallResult, ConfigPhase } from "../../src/core/config-change.ts";
import type { DeploymentRecord } from "../../src/core/deployment.ts";
import { type ReplicaRecord, waitsForRoom } from "../../src/core/replica.ts";
import type { Assignment } from "../../src/engine/engine.ts";
import type { Place } from "../../src/gateway/place.ts";
import type { Visit, Waiter } from "../../src/gateway/visit.ts";
import { type ConfigOrder, type LinkedReplica, noContact } from "../../src/links/replica-port.ts";
import type { CommitOptions, Entry, Store, Write } from "../../src/store/store.ts";
import { runHistory } from "./history.ts";
import type { Invariant } from "./invariants/facts.ts";
import type { Sabotage } from "./simulated-controller.ts";
import { runTwins } from "./twins.ts";

const seedsMax = 1_000;

/** The same object but for some methods. */
function but<T extends object>(whole: T, methods: Partial<T>): T {
  return new Proxy(whole, {
    get: (target, name) => {
      const own = Reflect.get(name in methods ? methods : target, name);
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}

/** A store to which a controller writes more than it decided. */
function writesToo(more: (writes: readonly Write[], store: Store) => Promise<readonly Write[]>): Sabotage {
  return {
    store: (store) =>
      but(store, {
        commit: async (writes: readonly Write[], options?: CommitOptions) =>
          store.commit([...writes, ...(options?.epoch === undefined ? [] : await more(writes, store))], options),
      }),
  };
}

async function otherReplicas(writes: readonly Write[], store: Store) {
  const { entries } = await store.list("replica", { limit: 1_000 });
  return entries.filter(({ key }) => writes.every((write) => write.key !== key));
}

function put(replica: ReplicaRecord, version: number): Write {
  return { put: "replica", key: replica.id, version, value: replica };
}

const takesAllAway = writesToo(async (writes, store) =>
  (await otherReplicas(writes, store)).flatMap(({ value, version }) =>
    value.state === "RUNNING" ? put({ ...value, state: "DRAINING", sinceMs: value.sinceMs + 1 }, version) : [],
  ),
);

const asksForTooMany = writesToo(async (writes) =>
  writes.flatMap((write) =>
    "put" in write && write.put === "replica" && write.version === 0
      ? ["x", "y", "z"].map((end) => put({ ...write.value, id: `${write.key}${end}` }, 0))
      : [],
  ),
);

/**
 * Starts some replicas that wait for room. It has an end, as each one started and lost makes the
 * controller ask for the next.
 */
function startsThoseThatWait(): Sabotage {
  let left = 20;
  return writesToo(async (writes, store) =>
    (await otherReplicas(writes, store)).flatMap(({ value, version }) =>
      waitsForRoom(value) && left-- > 0 ? put({ ...value, state: "STARTING" }, version) : [],
    ),
  );
}

const goesToUnprovenVersions = writesToo(async (writes, store) => {
  const { entries } = await store.list("deployment", { limit: 1_000 });
  return entries.flatMap(({ key, version, value }): readonly Write[] =>
    writes.some((write) => write.key === key)
      ? []
      : [{ put: "deployment", key, version, value: { ...value, spec: { ...value.spec, version: "never-seen" } } }],
  );
});

/** A controller's loop does not see of a deployment what `blind` takes away. */
function blindTo(blind: (deployment: DeploymentRecord) => DeploymentRecord): Sabotage {
  const seen = (entry: Entry<"deployment">) => ({ ...entry, value: blind(entry.value) });
  return {
    mirror: (mirror) =>
      but(mirror, {
        deployments: () => new Map([...mirror.deployments()].map(([name, entry]) => [name, seen(entry)])),
        deployment: (name: string) => {
          const entry = mirror.deployment(name);
          return entry && seen(entry);
        },
      }),
  };
}

const ignoresPauses = blindTo(({ pausedSinceMs, ...going }) => going);

/**
 * Also the first starts of a third revision fail, and of one that is gone back to, so that
 * rollbacks happen, and fail.
 */
const rollsRollbacksBack = (): Sabotage => {
  const newest = new Map<string, number>();
  const failed = new Map<string, number>();
  return {
    ...blindTo(({ rolledBackAtMs, ...forgetful }) => forgetful),
    engine: (engine) =>
      but(engine, {
        start: async (assignment) => {
          const { uid, revision } = assignment;
          newest.set(uid, Math.max(revision, newest.get(uid) ?? 0));
          const failures = failed.get(`${uid}/${revision}`) ?? 0;
          if ((revision > 2 || newest.get(uid) !== revision) && failures < 5) {
            failed.set(`${uid}/${revision}`, failures + 1);
            throw new Error("program app was not found");
          }
          return engine.start(assignment);
        },
      }),
  };
};

const ignoresMinReadyTime = blindTo((deployment) => ({
  ...deployment,
  spec: { ...deployment.spec, rollout: { ...deployment.spec.rollout, minReadyTimeMs: 0 } },
}));

const ignoresPercentages = blindTo((deployment) => ({
  ...deployment,
  spec: { ...deployment.spec, rollout: { ...deployment.spec.rollout, maxUnavailablePercent: 50, maxSurgePercent: 100 } },
}));

const callsAllDrained: Sabotage = {
  port: (port) => but(port, { contact: (replicaId: string) => ({ ...port.contact(replicaId), drained: true }) }),
};

const actsForEver = (): Sabotage => {
  let last: number | undefined;
  return {
    epoch: (epoch) => {
      last = epoch ?? last;
      return last;
    },
  };
};

const oldEpochsMayWrite = (): Sabotage => ({
  ...actsForEver(),
  kept: (store) =>
    but(store, {
      commit: async (writes: readonly Write[], { epoch, ...rest }: CommitOptions = {}) => {
        const holding = (await store.controllers()).leader?.epoch;
        return store.commit(writes, epoch === undefined ? rest : { ...rest, epoch: holding });
      },
    }),
});

const sellsDouble: Sabotage = {
  engine: (engine) =>
    but(engine, {
      room: () => {
        const room = engine.room();
        if (room.kind === "engine") return room;
        const { cpuMilli, gpuCount, memoryBytes } = room.capacity;
        return { ...room, capacity: { cpuMilli: 2 * cpuMilli, gpuCount, memoryBytes: 2 * memoryBytes } };
      },
    }),
};

const losesAChange: Sabotage = {
  kept: (store) =>
    but(store, {
      changes: async (after: number, waitMs: number, signal: AbortSignal) => {
        const batch = await store.changes(after, waitMs, signal);
        if (batch.kind !== "changes") return batch;
        // Keep the last change: without it a follower would ask for ever, without a pause.
        const last = batch.changes.at(-1);
        return { ...batch, changes: batch.changes.filter((change) => change === last || change.position % 10 !== 0) };
      },
    }),
};

const skipsAPosition: Sabotage = {
  kept: (store) =>
    but(store, {
      commit: async (writes: readonly Write[], options?: CommitOptions) => {
        const result = await store.commit(writes, options);
        return result.kind === "committed" ? { ...result, positions: result.positions.map((position) => position + 1) } : result;
      },
    }),
};

const forgetsRequests: Sabotage = {
  kept: (store) =>
    but(store, {
      recall: async () => undefined,
      commit: (writes: readonly Write[], { epoch }: CommitOptions = {}) => store.commit(writes, epoch === undefined ? {} : { epoch }),
    }),
};

/** Says that it gave replicas their config, and did not, in one phase. */
const leavesOut = (phase: ConfigPhase): Sabotage => ({
  port: (port) =>
    but(port, {
      giveConfig: async (replicaId: string, order: ConfigOrder, signal: AbortSignal): Promise<CallResult> =>
        order.phase === phase ? { replicaId, kind: "done" } : port.giveConfig(replicaId, order, signal),
    }),
});

/** Treats every replica that answers while it starts as one that has its config. */
const trustsThatTheyAreConfigured: Sabotage = {
  port: (port) => {
    const starting = new Set<string>();
    return but(port, {
      connect: (replicas: readonly LinkedReplica[]) => {
        starting.clear();
        for (const { replica } of replicas) if (replica.state === "STARTING") starting.add(replica.id);
        port.connect(replicas);
      },
      contact: (replicaId: string) => {
        const contact = port.contact(replicaId);
        return starting.has(replicaId) ? { ...contact, controllable: false } : contact;
      },
    });
  },
};

/** Takes silence for a replica without requests. */
const takesSilenceForRest: Sabotage = {
  port: (port) =>
    but(port, {
      contact: (replicaId: string) => {
        const contact = port.contact(replicaId);
        const idle = { ongoing: 0, elsewhere: 0, completed: 0, failed: 0, atMs: Number.MAX_SAFE_INTEGER };
        return { ...contact, load: contact.load === undefined ? idle : { ...contact.load, atMs: idle.atMs } };
      },
    }),
};

/** Wants more again and again, whatever the load. */
const flaps: Sabotage = {
  store: (store) =>
    but(store, {
      acquireLease: async (holder: string, ttlMs: number) => {
        const answer = await store.acquireLease(holder, ttlMs);
        const entry = (await store.list("deployment", { limit: 100 })).entries.find(({ value }) => value.autoscaled !== undefined);
        if (!answer.held || entry === undefined || entry.value.spec.autoscalingConfig === undefined) return answer;
        const target = entry.value.spec.autoscalingConfig.maxReplicas;
        const value = { ...entry.value, autoscaled: { target, sinceMs: 0 } };
        await store.commit([{ put: "deployment", key: entry.key, version: entry.version, value }], { epoch: answer.epoch });
        return answer;
      },
    }),
};

const hearsOfNobody: Sabotage = { port: (port) => but(port, { contact: () => noContact }) };

const neverRests: Sabotage = {
  store: (store) =>
    but(store, {
      acquireLease: async (holder: string, ttlMs: number) => {
        const answer = await store.acquireLease(holder, ttlMs);
        const [first] = (await store.list("replica", { limit: 1 })).entries;
        if (answer.held && first !== undefined) await store.commit([put(first.value, first.version)], { epoch: answer.epoch });
        return answer;
      },
    }),
};

/** Keeps requests for a model back until another one comes that is for none. */
const keepsModelsBack = (): Sabotage => ({
  dispatcher: (dispatcher) => {
    const kept: (() => void)[] = [];
    return but(dispatcher, {
      enter: (deployment: string, waiter: Waiter, model?: string) => {
        const enter = () => dispatcher.enter(deployment, waiter, model);
        if (model !== undefined) kept.push(enter);
        else for (const late of kept.splice(0)) late();
        return model === undefined ? enter() : ({} as Visit);
      },
    });
  },
});

/** Takes the place of each request as free at once. */
const forgetsWhatItGave: Sabotage = {
  dispatcher: (dispatcher) =>
    but(dispatcher, {
      enter: (deployment: string, waiter: Waiter, model?: string) => {
        const granted = (visit: Visit, place: Place) => {
          waiter.granted(visit, place);
          place.ongoing = 0;
        };
        return dispatcher.enter(deployment, { granted, denied: (error) => waiter.denied(error) }, model);
      },
    }),
};

/** Starts a replica of any revision with the files that are the newest now. */
const runsTheNewestFiles = (): Sabotage => {
  const newest = new Map<string, Assignment>();
  return {
    engine: (engine) =>
      but(engine, {
        start: async (assignment: Assignment) => {
          const known = newest.get(assignment.uid) ?? assignment;
          const { program, runtimeEnv } = assignment.revision < known.revision ? known : assignment;
          newest.set(assignment.uid, { ...assignment, revision: Math.max(known.revision, assignment.revision), program, runtimeEnv });
          return engine.start({ ...assignment, program, runtimeEnv });
        },
      }),
  };
};

/** Takes one bundle for needed, whatever revisions there are. */
const dropsOldBundles: Sabotage = {
  bundles: (bundles) => ({ sweep: (needed) => bundles.sweep(new Set([...needed].slice(0, 1))) }),
};

/** Changes the bundle of a deployment, and not its revision. */
const changesAFileOfARevision = writesToo(async (writes, store) => {
  const { entries } = await store.list("deployment", { limit: 1_000 });
  return entries.flatMap(({ key, version, value }): readonly Write[] => {
    const runtimeEnv = { ...value.spec.runtimeEnv, bundle: digestOf("0".repeat(64)) };
    const isWritten = writes.some((write) => write.key === key);
    return isWritten ? [] : [{ put: "deployment", key, version, value: { ...value, spec: { ...value.spec, runtimeEnv } } }];
  });
});

const prunesAll: Sabotage = { wanted: (wanted) => ({ ...wanted, prune: () => true }) };

const takesFromOthers: Sabotage = { wanted: (wanted) => ({ ...wanted, expect: () => {} }) };

const neverPrunes: Sabotage = { wanted: (wanted) => ({ ...wanted, prune: () => false }) };

const keepsNoSpares = blindTo((deployment) => {
  const { bufferReplicas, ...config } = deployment.spec.autoscalingConfig ?? {};
  if (bufferReplicas === undefined) return deployment;
  return { ...deployment, spec: { ...deployment.spec, autoscalingConfig: config as AutoscalingConfig } };
});

test.each<readonly [string, Invariant, () => Sabotage]>([
  ["available replicas are taken away", "I1", () => takesAllAway],
  ["more are asked for than may be extra", "I1", () => asksForTooMany],
  ["a pause is not heeded", "I1", () => ignoresPauses],
  ["a replica counts before its min_ready_time", "I1", () => ignoresMinReadyTime],
  ["other percentages than the deployment's are kept", "I1", () => ignoresPercentages],
  ["a rollback is rolled back", "I6", rollsRollbacksBack],
  ["replicas with requests in work are killed", "I2", () => callsAllDrained],
  ["a controller acts on when its lease is over", "I4", actsForEver],
  ["the store takes writes under an old epoch", "I4", oldEpochsMayWrite],
  ["silence is taken for rest", "I3", () => takesSilenceForRest],
  ["the number wanted flaps", "I10", () => flaps],
  ["replicas are not given the new config", "I5", () => leavesOut("APPLY")],
  ["replicas do not go back to the old config", "I5", () => leavesOut("REVERT")],
  ["replicas begin to serve before they have their config", "I5", () => trustsThatTheyAreConfigured],
  ["a leader goes to a version that never ran", "I6", () => goesToUnprovenVersions],
  ["a follower misses a change", "I7", () => losesAChange],
  ["a position is left out", "I7", () => skipsAPosition],
  ["replicas start without room", "I8", startsThoseThatWait],
  ["more is given than there is", "I8", () => sellsDouble],
  ["a request is carried out at each try", "I9", () => forgetsRequests],
  ["no replica is ever heard of", "I10", () => hearsOfNobody],
  ["it never rests", "I10", () => neverRests],
  ["no spare replicas are kept", "I10", () => keepsNoSpares],
  ["a replica of an old revision runs the newest files", "I12", runsTheNewestFiles],
  ["the bundle of a revision is dropped", "I12", () => dropsOldBundles],
  ["the files of a revision change", "I12", () => changesAFileOfARevision],
  ["requests for a model wait, though a replica has room", "I14", keepsModelsBack],
  ["a replica gets more than its max_ongoing_requests", "I14", () => forgetsWhatItGave],
  ["an Apply prunes other applications", "I15", () => prunesAll],
  ["an Apply takes deployments from other applications", "I15", () => takesFromOthers],
  ["an Apply leaves what it should prune", "I15", () => neverPrunes],
])("where %s, %s raises the alarm", { timeout: 10 * 60_000 }, async (_, invariant, sabotage) => {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { alarm } = await runHistory(seed, { sabotage: sabotage() });
    if (alarm === undefined) continue;
    expect(alarm).toMatchObject({ invariant });
    return;
  }
  expect.fail(`no alarm in ${seedsMax} histories`);
});

/** Measures durations by the wall clock. */
const followsTheWall: Sabotage = { clock: (clock) => but(clock, { nowMs: () => clock.wallMs() }) };

test("where durations follow the wall clock, I13 raises the alarm", async () => {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { alarm } = await runTwins(seed, { sabotage: followsTheWall });
    if (alarm === undefined || alarm.invariant !== "I13") continue;
    return;
  }
  expect.fail(`no alarm in ${seedsMax} histories`);
});
