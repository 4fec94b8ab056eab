import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deployment, multiplexed } from "../../src/replica/index.ts";
import { ModelCache } from "../../src/replica/model-cache.ts";
import { modelCloseMs, unloadModel } from "../../src/replica/unload-model.ts";
import type { RequestInWork } from "../../src/rpc/request-in-work.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { failure, gate, serve } from "./harness.ts";

const work = (signal = new AbortController().signal): RequestInWork => ({
  ...{ context: { signal } as RequestInWork["context"], forwardMetadata: [], isOver: false, ends: [] },
});
const end = ({ ends }: RequestInWork) => {
  for (const run of ends) run();
};
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A cache that notes what it does; loads and unloads take a turn of the event loop. */
function cacheOf(maxModels: number) {
  const log: string[] = [];
  let inMemory = 0;
  const most = { inMemory: 0 };
  const cache = new ModelCache(
    maxModels,
    async (name) => {
      log.push(`+${name}`);
      most.inMemory = Math.max(most.inMemory, ++inMemory);
      await turn();
      if (name === "broken") {
        inMemory--;
        throw new Error("broken");
      }
      return name;
    },
    async (name) => {
      await turn();
      log.push(`-${name}`);
      inMemory--;
    },
  );
  return { cache, log, most };
}

describe("models in memory", () => {
  test("are loaded once, and the one used longest ago makes room", async () => {
    const { cache, log } = cacheOf(2);
    expect(await Promise.all([cache.get("a", undefined), cache.get("a", undefined)])).toEqual(["a", "a"]);
    for (const name of ["b", "a", "c", "a", "b"]) await cache.get(name, undefined);
    expect(log).toEqual(["+a", "+b", "-b", "+c", "-c", "+b"]);
    expect(cache.names()).toEqual(["a", "b"]);
  });

  test("are not unloaded while a request uses them: another one waits, until its caller leaves", async () => {
    const { cache, log } = cacheOf(1);
    const using = work();
    await cache.get("a", using);
    const leaving = new AbortController();
    const left = work(leaving.signal);
    const gone = cache.get("b", left);
    const waiting = cache.get("c", work());
    await turn();
    expect(log).toEqual(["+a"]);
    leaving.abort(new Error("left"));
    await expect(gone).rejects.toThrow("left");
    end(left);
    end(using);
    expect(await waiting).toBe("c");
    expect(log).toEqual(["+a", "-a", "+c"]);
  });

  test("of one request are only the last one it got: it cannot block itself", async () => {
    const { cache } = cacheOf(1);
    const one = work();
    for (const name of ["a", "b", "a"]) expect(await cache.get(name, one)).toBe(name);
  });

  test("that load without an end, or close too slowly, keep no other model from being loaded", async () => {
    const clock = new HandClock();
    const log: string[] = [];
    const forever = new Promise<never>(() => {});
    const load = async (name: string) =>
      name === "hangs" ? await forever : { name, close: () => (name === "stays" ? forever : undefined) };
    const cache = new ModelCache(2, load, (model) => unloadModel(model, clock, (line) => log.push(line)));
    const leaving = new AbortController();
    const left = work(leaving.signal);
    const hanging = cache.get("hangs", left);
    leaving.abort(new Error("left"));
    await expect(hanging).rejects.toThrow("left");
    end(left);
    for (const name of ["a", "b", "stays"]) expect((await cache.get(name, undefined)).name).toBe(name);
    const waiting = cache.get("c", undefined);
    await turn();
    clock.pass(modelCloseMs);
    expect((await waiting).name).toBe("c");
    expect(log).toHaveLength(1);
  });

  test("whose close throws what has no text make room all the same", async () => {
    const log: string[] = [];
    const broken = {
      close() {
        throw Object.create(null);
      },
    };
    const cache = new ModelCache(
      1,
      async () => broken,
      (model) => unloadModel(model, new HandClock(), (line) => log.push(line)),
    );
    for (const name of ["a", "b"]) expect(await cache.get(name, undefined)).toBe(broken);
    expect(log).toHaveLength(1);
  });

  test("that could not be loaded are tried again", async () => {
    const { cache, log } = cacheOf(1);
    for (let time = 0; time < 2; time++) await expect(cache.get("broken", work())).rejects.toThrow("broken");
    expect(await cache.get("a", undefined)).toBe("a");
    expect(log).toEqual(["+broken", "+broken", "+a"]);
  });

  test("are never more than may be, and every request gets its model, whatever the order", async () => {
    const names = fc.array(fc.constantFrom("a", "b", "c", "d", "broken"), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), names, async (maxModels, all) => {
        const { cache, most } = cacheOf(maxModels);
        const got = all.map(async (name, index) => {
          const one = index % 3 === 0 ? undefined : work();
          const model = await cache.get(name, one).catch(({ message }: Error) => message);
          if (index % 2 === 0) await turn();
          if (one !== undefined) end(one);
          return model;
        });
        expect(await Promise.all(got)).toEqual(all);
        expect(most.inMemory).toBeLessThanOrEqual(maxModels);
      }),
    );
  });
});

describe("a multiplexed function", () => {
  test("gives the model that the request names, is no method, and reports what it holds", async () => {
    const closed: string[] = [];
    class Program {
      model = multiplexed((name) => ({ name, close: async () => void closed.push(name) }), { maxModels: 2 });
      async which() {
        return (await this.model()).name;
      }
      async named(name: string) {
        return (await this.model(name)).name;
      }
    }
    const { invoke, replica } = await serve(deployment(Program));
    const ask = (model: string) => invoke("which", null, { metadata: { "drover-model": model } });
    expect([await ask("en"), await ask("fr"), await ask("en"), await invoke("named", "de")]).toEqual(["en", "fr", "en", "de"]);
    expect(closed).toEqual(["fr"]);
    for await (const { models, maxModels } of replica.watchLoad({})) {
      expect(models.slice(-2)).toEqual(["en", "de"]);
      expect(maxModels).toBeGreaterThanOrEqual(2);
      break;
    }
    expect(await failure(invoke("model", "en"))).toMatchObject({ reason: "METHOD_NOT_FOUND" });
    for (const error of [await failure(invoke("which")), await failure(ask("x".repeat(300)))])
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", facts: { violations: [{ field: "drover-model" }] } });
  });

  test("keeps a model for a request until that ends", async () => {
    const go = gate();
    const begun = gate();
    const events: string[] = [];
    class Program {
      #model = multiplexed((name) => ({ name, close: () => void events.push(`close ${name}`) }), { maxModels: 1 });
      async hold() {
        const { name } = await this.#model("a");
        begun.resolve();
        await go.promise;
        events.push(`used ${name}`);
      }
      async other() {
        return (await this.#model("b")).name;
      }
    }
    const { invoke } = await serve(deployment(Program));
    const first = invoke("hold");
    await begun.promise;
    const second = invoke("other");
    go.resolve();
    expect([await first, await second]).toEqual([null, "b"]);
    expect(events).toEqual(["used a", "close a"]);
  });

  test("throws for a number of models that is none", () => {
    for (const maxModels of [0, 1.5, 1_001]) expect(() => multiplexed((name) => name, { maxModels })).toThrow(/maxModels/);
  });
});
