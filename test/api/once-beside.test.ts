// Goal: a request that arrives twice at the same time has one effect, and both get its answer.
// Method: real gRPC at two controllers over one store in memory. Each operation of each try on the
// store waits for its turn, which the test gives.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import type { Client } from "../../src/rpc/service.ts";
import type { MemoryStore } from "../../src/store/memory-store.ts";
import { eraseWrites } from "../../src/store/writes/erase-writes.ts";
import { noteHealthy, type OpenedApi, openApi, recordOf, specOf } from "./opened-api.ts";

/** Lets the operations of one call at a time through, each in its turn. */
class Gate {
  #arrival = Promise.withResolvers<() => void>();

  /** Resolves when it is the operation's turn. */
  async pass(): Promise<void> {
    const turn = Promise.withResolvers<void>();
    this.#arrival.resolve(turn.resolve);
    await turn.promise;
  }

  /** Lets so many operations through. Resolves when the next one waits, or the call has ended. */
  async let(operations: number, call: Promise<unknown>): Promise<void> {
    const ended = call.then(
      () => undefined,
      () => undefined,
    );
    for (let passed = 0; passed <= operations; passed++) {
      const go = await Promise.race([this.#arrival.promise, ended]);
      if (go === undefined || passed === operations) return;
      this.#arrival = Promise.withResolvers();
      go();
    }
  }
}

const operationsOfRequests: readonly PropertyKey[] = ["recall", "get", "commit"];

function gated(store: MemoryStore, gate: Gate): MemoryStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return async (...args: readonly unknown[]) => {
        if (operationsOfRequests.includes(name)) await gate.pass();
        return (await Reflect.apply(value, target, args)) as unknown;
      };
    },
  });
}

let opened: OpenedApi;
const gates = [new Gate(), new Gate()] as const;
let tries: readonly [OpenedApi, OpenedApi];

beforeAll(async () => {
  opened = await openApi();
  tries = [await openApi(gated(opened.store, gates[0])), await openApi(gated(opened.store, gates[1]))];
});
afterAll(async () => {
  for (const api of [...tries, opened]) await api.close();
});

type Controller = Client<typeof ControllerService>;
type Ask = (api: Controller, name: string) => Promise<object>;

/** Each write that needs no loop to end, of a deployment at generation 2. */
const writes: Readonly<Record<string, (api: Controller, name: string, requestId: string) => Promise<object>>> = {
  deploy: (api, name, requestId) => api.deploy({ spec: specOf(name, { version: "3" }), expectedGeneration: 2n, requestId }),
  apply: (api, name, requestId) => api.apply({ specs: [specOf(name, { version: "3" })], expectedGenerations: { [name]: 2n }, requestId }),
  scale: (api, name, requestId) => api.scale({ name, numReplicas: 3, expectedGeneration: 2n, requestId }),
  rollback: (api, name, requestId) => api.rollback({ name, expectedGeneration: 2n, requestId }),
  pauseRollout: (api, name, requestId) => api.pauseRollout({ name, expectedGeneration: 2n, requestId }),
  resumeRollout: (api, name, requestId) => api.resumeRollout({ name, expectedGeneration: 2n, requestId }),
  deleteDeployment: (api, name, requestId) => api.deleteDeployment({ name, expectedGeneration: 2n, requestId }),
};

/** A deployment that is wanted in its second revision. */
async function deployed(name: string): Promise<void> {
  await opened.controller.deploy({ spec: specOf(name, { version: "1" }) });
  await opened.controller.deploy({ spec: specOf(name, { version: "2" }) });
  await noteHealthy(opened.store, name, [1, 2]);
}

/** Asks twice. The second try makes `second` operations, then the first `first`, and so on to the end. */
async function asked(ask: Ask, name: string, { second, first }: { readonly second: number; readonly first: number }) {
  const [one, two] = [ask(tries[0].controller, name), ask(tries[1].controller, name)];
  await gates[1].let(second, two);
  await gates[0].let(first, one);
  await gates[1].let(Number.POSITIVE_INFINITY, two);
  await gates[0].let(Number.POSITIVE_INFINITY, one);
  return Promise.all([one, two]);
}

const offsets = [0, 1, 2, 3, 4];

test.each(Object.entries(writes))(
  "two tries of %s beside each other have one effect and one answer, in whatever order",
  async (method, write) => {
    for (const second of offsets) {
      for (const first of offsets) {
        const name = `${method.toLowerCase()}-${second}-${first}`;
        await deployed(name);
        const answers = await asked((api, of) => write(api, of, name), name, { second, first });
        expect(answers[0], name).toEqual(answers[1]);
        expect((await recordOf(opened.store, name)).generation, name).toBeLessThanOrEqual(3);
      }
    }
  },
);

/** What else may happen before the second try goes on. */
const since: Readonly<Record<string, (name: string) => Promise<unknown>>> = {
  "is being deleted": (name) => opened.controller.deleteDeployment({ name }),
  "is gone": erased,
  "was made again": async (name) => {
    await erased(name);
    await opened.controller.deploy({ spec: specOf(name) });
  },
};

async function erased(name: string): Promise<void> {
  await opened.mirror.catchUp();
  await opened.store.commit(eraseWrites(opened.mirror, name));
}

test.each(Object.entries(since))("a try whose deployment %s since the first try has the answer of the first", async (what, happens) => {
  for (const offset of offsets) {
    const name = `${what.replaceAll(" ", "-")}-${offset}`;
    await deployed(name);
    const { uid } = await recordOf(opened.store, name);
    const ask: Ask = (api) => api.scale({ name, uid, numReplicas: 3, requestId: name });
    const [one, two] = [ask(tries[0].controller, name), ask(tries[1].controller, name)];
    await gates[1].let(offset, two);
    await gates[0].let(Number.POSITIVE_INFINITY, one);
    const first = await one.catch((cause: unknown) => cause);
    await happens(name);
    await gates[1].let(Number.POSITIVE_INFINITY, two);
    expect(await two, name).toEqual(first);
  }
});

test("a try that is refused without an answer of another try stays refused", async () => {
  await deployed("refused");
  const stale: Ask = (api, name) => api.scale({ name, numReplicas: 3, expectedGeneration: 1n, requestId: "refused" });
  for (const offset of offsets) {
    await expect(asked(stale, "refused", { second: offset, first: 1 })).rejects.toMatchObject({ reason: "CONFLICT" });
  }
  expect(await recordOf(opened.store, "refused")).toMatchObject({ generation: 2 });
});
