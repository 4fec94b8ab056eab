// user_config in a program in Python, by the rules of test/replica/reconfigure*.test.ts: async
// hooks, and hooks in threads.
import { describe, expect } from "vitest";
import { ReconfigurePhase } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { change, failure, steps } from "../replica/harness.ts";
import { serve, pythonTest as test } from "./python-harness.ts";

const { PREPARE, APPLY, REVERT } = ReconfigurePhase;
const refused = { code: "FAILED_PRECONDITION", reason: "RECONFIGURE_REFUSED" };

/**
 * Records the arguments of its hooks, refuses by name ("bad", "invalid" when checked, "late" when
 * taken), and holds calls on request.
 */
const program = `
  import asyncio, copy, json, threading

  class Base:
      def __init__(self):
          self.taken, self.checked, self.told, self.config, self.held = [], [], [], None, {}
      async def state(self): return {"taken": self.taken, "checked": self.checked}
      async def hold(self, what): self.held[what] = threading.Event()
      async def go(self, what): self.held.pop(what).set()
      async def tell(self): return self.told
      def _work(self, what):
          self.told.append(what + " begins")
          print(what, "begins")
          if what in self.held: self.held[what].wait()
          self.told.append(what + " ends")
      async def _work_async(self, what):
          await asyncio.get_running_loop().run_in_executor(None, self._work, what)
      def _check(self, user_config):
          self.checked.append(user_config)
          if user_config == "invalid": raise drover.StatusError("INVALID_ARGUMENT", "model: no such model")
          if user_config == "bad": raise ValueError("no such model")
      def _take(self, user_config):
          self.taken.append(copy.deepcopy(user_config))
          if user_config == "late": raise TypeError("too late for that")
          if isinstance(user_config, dict): user_config["more"] = 1
          self.config = user_config
      async def answer(self):
          config = self.config
          await self._work_async(f"request under {config}")
          return config

  @drover.deployment
  class Threads(Base):
      def validate_config(self, user_config):
          self._work(f"check {user_config}")
          self._check(user_config)
      def reconfigure(self, user_config):
          self._work(f"take {user_config}")
          self._take(user_config)

  @drover.deployment
  class Async(Base):
      async def validate_config(self, user_config):
          await self._work_async(f"check {user_config}")
          self._check(user_config)
      async def reconfigure(self, user_config):
          await self._work_async(f"take {user_config}")
          self._take(user_config)

  class Plain:
      def call(self): pass
`;

const whole = (...works: string[]) => works.flatMap((work) => [`${work} begins`, `${work} ends`]);

async function served(name: string, env: Record<string, string> = {}) {
  const it = await serve(program, { args: ["program.py", name], env });
  const state = async () => (await it.invoke("state")) as { taken: unknown[]; checked: unknown[] };
  return { ...it, state };
}

describe.each(["Threads", "Async"])("hooks (%s)", (name) => {
  test("PREPARE has the program check the config and changes nothing, however often", async () => {
    const { prepare, apply, state } = await served(name);
    expect(await prepare(1)).toBe(0);
    await apply(1, "a");
    expect([await prepare(2, "b"), await prepare(2, "b"), await prepare(1, "c")]).toEqual([1, 1, 1]);
    expect(await prepare(2, "a")).toBe(1); // the one in use: nothing to check
    expect(await state()).toEqual({ taken: ["a"], checked: ["a", "b", "b", "c"] });
  });

  test("APPLY gives the program its config, once for each generation, the newest only", async () => {
    const { apply, replica, state } = await served(name);
    expect([await apply(3, { model: "a" }), await apply(3, { model: "b" }), await apply(2, { model: "old" })]).toEqual([3, 3, 3]);
    expect(await apply(4, null)).toBe(4);
    expect(await apply(5)).toBe(5); // no config: the program keeps what it has
    expect((await state()).taken).toEqual([{ model: "a" }, null]);
    expect(await replica.getInfo({})).toMatchObject({ configGeneration: 5n });
  });

  test("APPLY of the config in use leaves the program alone, whatever the program did to it; true is not 1", async () => {
    const { apply, state } = await served(name);
    expect([await apply(1, { limits: [1] }), await apply(2, { limits: [1] })]).toEqual([1, 2]);
    await apply(3, { limits: [true] });
    expect((await state()).taken).toEqual([{ limits: [1] }, { limits: [true] }]);
  });

  test("REVERT gives the last committed config again, and the generation goes down", async () => {
    const { apply, revert, state } = await served(name);
    await apply(2, "a");
    await apply(3, "b");
    expect([await revert(2, "a"), await revert(2, "a")]).toEqual([2, 2]);
    expect(await apply(3, "c")).toBe(3);
    expect((await state()).taken).toEqual(["a", "b", "a", "c"]);
    expect((await failure(revert(1))).message).toContain("no user_config to go back to");
  });

  test("REVERT makes sure after a reconfigure that failed, and an APPLY of the same config is taken again", async () => {
    const { apply, revert, state } = await served(name);
    await apply(1, "a");
    expect(await failure(apply(2, "late"))).toMatchObject({ ...refused, message: "TypeError: too late for that" });
    expect([await revert(1, "a"), await revert(1, "a")]).toEqual([1, 1]);
    await failure(apply(2, "late"));
    expect(await failure(apply(3))).toMatchObject(refused); // torn, and nothing to go by
    expect(await apply(3, "a")).toBe(3);
    expect((await state()).taken).toEqual(["a", "late", "a", "late", "a"]);
  });

  test("what the program refuses is never taken, in no phase, and the call fails with its message", async () => {
    const { replica, apply, state } = await served(name);
    await apply(1, "good");
    for (const phase of [PREPARE, APPLY, REVERT]) {
      const bad = await failure(replica.reconfigure(change(2, "bad", { phase })));
      expect(bad).toMatchObject({ ...refused, message: "no such model" });
      const invalid = await failure(replica.reconfigure(change(2, "invalid", { phase })));
      expect(invalid).toMatchObject({ code: "INVALID_ARGUMENT", message: "model: no such model" });
    }
    expect((await state()).taken).toEqual(["good"]);
  });

  test("changes are made one at a time, in the order they came, while requests go on", async () => {
    const { prepare, apply, revert, replica, invoke, printed } = await served(name);
    await apply(1, "a");
    await invoke("hold", "take b");
    const first = apply(2, "b");
    await printed("take b begins");
    const rest = [prepare(3, "c"), revert(1, "a"), apply(4, "d")];
    await replica.getInfo({}); // the same connection: all have arrived
    expect(await invoke("answer")).toBe("a");
    await invoke("go", "take b");
    expect(await Promise.all([first, ...rest])).toEqual([2, 2, 1, 4]);
    const told = ((await invoke("tell")) as string[]).filter((line) => !line.startsWith("request"));
    expect(told).toEqual(whole("check a", "take a", "check b", "take b", "check c", "check a", "take a", "check d", "take d"));
  });

  test("wait in a bounded number", async () => {
    const { apply, invoke, printed } = await served(name);
    await invoke("hold", "take 0");
    const first = apply(1, 0);
    await printed("take 0 begins");
    const rest = Array.from({ length: 20 }, (_, n) => apply(n + 2, n + 1));
    for (const error of await Promise.all(rest.slice(16).map(failure))) expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    await invoke("go", "take 0");
    expect(await Promise.all([first, ...rest.slice(0, 16)])).toEqual(Array.from({ length: 17 }, (_, n) => n + 1));
  });

  test("a caller that leaves tears no hook that has begun; a change whose turn had not come is not made", async () => {
    const { apply, replica, invoke, printed, state } = await served(name);
    await apply(1, "a");
    await invoke("hold", "take b");
    const leave = new AbortController();
    const first = failure(replica.reconfigure(change(2, "b"), { signal: leave.signal }));
    await printed("take b begins");
    const second = failure(replica.reconfigure(change(3, "c"), { signal: leave.signal }));
    await replica.getInfo({});
    leave.abort();
    expect((await first).code).toBe("CANCELLED");
    expect((await second).code).toBe("CANCELLED");
    await replica.getInfo({}); // the same connection: both have left
    await invoke("go", "take b");
    expect(await apply(2, "x")).toBe(2); // its turn comes after theirs; 2 is in use
    expect((await state()).taken).toEqual(["a", "b"]);
  });
});

describe("a program without hooks", () => {
  test("takes no config and says how to take one, but notes generations and bounds", async () => {
    const it = await served("Plain");
    for (const phase of [PREPARE, APPLY, REVERT]) {
      const error = await failure(it.replica.reconfigure(change(1, {}, { phase })));
      expect(error).toMatchObject(refused);
      expect(error.message).toContain("add a method reconfigure(self, user_config)");
    }
    expect(await it.apply(1)).toBe(1);
    expect(await it.apply(2, undefined, { maxOngoingRequests: 3 })).toBe(2);
    expect(await it.revert(1, undefined, { maxOngoingRequests: 2 })).toBe(1);
  });
});

test("the bound on requests goes with a change", async () => {
  const { apply, replica, invoke, printed } = await served("Async", { DROVER_MAX_ONGOING_REQUESTS: "5" });
  await apply(1, "a");
  await invoke("hold", "request under a");
  const calls = [invoke("answer"), invoke("answer")];
  await printed("request under a begins\nrequest under a begins");
  await apply(2, "b", { maxOngoingRequests: 1 });
  const error = await failure(invoke("tell"));
  expect(error.message).toBe("the replica has 2 requests in work; its max_ongoing_requests is 1");
  await apply(3, "c", { maxOngoingRequests: 3 });
  await invoke("go", "request under a");
  expect(await Promise.all(calls)).toEqual(["a", "a"]);
  const wrong = await failure(replica.reconfigure(change(0, undefined, { maxOngoingRequests: 0 })));
  expect(wrong.facts.violations).toEqual([
    { field: "config_generation", description: "must be 1 or more, not 0" },
    { field: "max_ongoing_requests", description: "must be 1 or more, not 0" },
  ]);
  const later = await failure(replica.reconfigure(change(1, undefined, { phase: 9 as ReconfigurePhase })));
  expect(later.facts.violations).toEqual([{ field: "phase", description: "this replica knows no phase 9" }]);
});

describe("a control call", () => {
  test("of a lower epoch than one seen is refused, whatever it asks, and also where one came while it waited", async () => {
    const { replica, invoke, printed, state } = await served("Threads");
    const stale = { code: "FAILED_PRECONDITION", reason: "STALE_EPOCH" };
    await replica.reconfigure(change(1, "a", { epoch: 5 }));
    for (const phase of [PREPARE, APPLY, REVERT])
      expect(await failure(replica.reconfigure(change(2, "b", { phase, epoch: 4 })))).toMatchObject(stale);
    expect(await failure(replica.drain({ epoch: 4n }))).toMatchObject(stale);
    await invoke("hold", "check b");
    const checked = failure(replica.reconfigure(change(2, "b", { epoch: 5 })));
    await printed("check b begins");
    const waiting = failure(replica.reconfigure(change(3, "c", { epoch: 5 })));
    await invoke("state");
    await replica.reconfigure(change(0, undefined, { epoch: 6 })).catch(() => {}); // a later leader, wrong in its fields
    await invoke("go", "check b");
    expect(await checked).toMatchObject(stale);
    expect(await waiting).toMatchObject(stale);
    expect((await state()).taken).toEqual(["a"]);
  });

  test("without the replica's token is refused, and its epoch does not count", async () => {
    const { replica } = await served("Threads", { DROVER_TOKEN: "secret" });
    const refusal = { code: "PERMISSION_DENIED", reason: "TOKEN_MISMATCH" };
    for (const token of [undefined, "", "wrong", "secre", "secrett"]) {
      const wrong = token === undefined ? {} : { metadata: { "drover-token": token } };
      expect(await failure(replica.reconfigure(change(1, "a", { epoch: 9 }), wrong))).toMatchObject(refusal);
      expect(await failure(replica.drain({ epoch: 9n }, wrong))).toMatchObject(refusal);
    }
    const right = { metadata: { "drover-token": "secret" } };
    expect(await replica.reconfigure(change(1, "a", { epoch: 1 }), right)).toMatchObject({ configGeneration: 1n });
    expect(await replica.drain({ epoch: 1n }, right)).toMatchObject({ ongoingRequests: 0n });
  });
});

test("a schema refuses field by field, and the hooks get its output", async () => {
  const source = `
    class Wrong(Exception):
        def errors(self): return [{"loc": ("limits", 0, "max-items"), "msg": "must be a number"}, {"loc": (), "msg": "unknown"}]
    class Schema:
        @classmethod
        def model_validate(cls, value):
            if value == "wrong": raise Wrong
            return {"threshold": 0.5, **value}
    class Program:
        def reconfigure(self, user_config): self.config = user_config
        def last(self): return self.config
    Model = drover.deployment(Program, user_config_schema=Schema)
  `;
  const it = await serve(source);
  await steps(it).apply(1, { a: 1 });
  expect(await it.invoke("last")).toEqual({ threshold: 0.5, a: 1 });
  const error = await failure(it.apply(2, "wrong"));
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
  expect(error.facts.violations).toEqual([
    { field: 'user_config.limits[0]["max-items"]', description: "must be a number" },
    { field: "user_config", description: "unknown" },
  ]);
});
