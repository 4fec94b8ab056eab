// Programs in Python that call other deployments by handles, under a real controller.
import { dirname } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { python, sdk, pythonTest as test } from "../sdk/python-harness.ts";
import { pythonToolchain } from "../sdk/python-toolchain.ts";
import { Drover, fixturePath, run, until } from "./drover.ts";

let drover: Drover;
beforeAll(async () => {
  if ("missing" in (await pythonToolchain())) return;
  process.env.PATH = `${dirname(python())}:${process.env.PATH}`; // the replicas' `python3`
  drover = await Drover.start();
  const programOf = (name: string) => ({
    kind: { case: "command" as const, value: { argv: ["python3", "-m", "drover.replica", fixturePath("calls.py"), name] } },
  });
  await Promise.all([
    drover.deploy("back", { program: programOf("Back"), maxOngoingRequests: 20 }),
    drover.deploy("front", { program: programOf("Front"), maxOngoingRequests: 20, initArgs: { back: { $deployment: "back" } } }),
    drover.deploy("idle", {
      ...{ program: programOf("Back"), maxOngoingRequests: 20 },
      autoscalingConfig: { minReplicas: 0, maxReplicas: 2, initialReplicas: 0 },
    }),
  ]);
});
afterAll(() => drover?.close());

/** Front's method, as its caller sees it. */
const front = (method: string, input: unknown = null, options = {}) => drover.invoke("front", method, input, options);

test("ten calls of one method are in work at the same time, awaited or in a thread", async () => {
  for (const method of ["gather", "gather_in_thread"]) expect(await front(method, 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a first caller that leaves, or whose deadline passes, ends every hop, also where a hop waits in a thread", async () => {
  const who = async () =>
    (await drover.invoke("back", "who", null)) as { readonly came: readonly string[]; readonly left: readonly string[] };
  const leaves = async (method: string) => {
    const caller = new AbortController();
    const call = front(method, method, { signal: caller.signal });
    await until(`${method} is at the second hop`, async () => (await who()).came.includes(method));
    caller.abort();
    await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    await until(`${method} has ended at the second hop`, async () => (await who()).left.includes(method));
    const late = `${method}, too late`;
    await expect(front(method, late, { deadlineMs: 1_000 })).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await until(`${late}, has ended at the second hop`, async () => (await who()).left.includes(late));
  };
  await Promise.all(["wait", "wait_in_thread", "wait_beside", "wait_in_own_loop"].map(leaves));
  const ongoing = async (name: string) => (await drover.running(name))[0]?.ongoingRequests;
  await until("nothing is in work at either hop", async () => (await ongoing("front")) === 0n && (await ongoing("back")) === 0n);
});

test("a call takes along the deadline, the request's id, the trace and the metadata that the program allows, and nothing else", async () => {
  const metadata = { "x-request-id": "r-1", traceparent: "00-1-2-01", "x-tenant": "acme", "x-other": "1", "drover-model": "m" };
  const { metadata: sent, left } = (await front("sent", null, { metadata, deadlineMs: 20_000 })) as {
    readonly metadata: unknown;
    readonly left: number;
  };
  expect(sent).toEqual({ "x-request-id": "r-1", traceparent: "00-1-2-01", "x-tenant": "acme" });
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(20);
  expect(await front("sent")).toMatchObject({ metadata: { "x-request-id": expect.stringMatching(/./) } });
  expect(await front("deep", null, { metadata })).toEqual({ id: "r-1", method: "deep", deployment: "front" });
});

test("an error of a callee names the callee, and a program's own names the request, its method and its replica", async () => {
  const [replica] = await drover.running("back");
  const replicaId = replica?.replicaId;
  const facts = { metadata: { callee: "back", callee_method: "refuse", user: "7" }, retryAfterMs: 2_000 };
  await expect(front("refuse")).rejects.toMatchObject({ code: "NOT_FOUND", reason: "CALLEE_FAILED", facts });
  await expect(front("refuse")).rejects.toThrow(/"back" \(refuse\).*no such user/);
  const crash = front("crash", null, { metadata: { "x-request-id": "r-2" } });
  const crashed = { callee: "back", callee_method: "crash", callee_reason: "PROGRAM_ERROR", request_id: "r-2", replica_id: replicaId };
  await expect(crash).rejects.toMatchObject({ code: "INTERNAL", reason: "CALLEE_FAILED", facts: { metadata: crashed } });
  await expect(crash).rejects.toThrow(new RegExp(`crash.*r-2.*drover logs back --replica ${replicaId}`));
  expect(await front("caught")).toEqual(["NOT_FOUND", "back", "refuse"]);
  await expect(front("too_long")).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", facts: { metadata: { callee_reason: "DEADLINE" } } });
  expect(await front("blocks_loop")).toContain("await");
});

test("streams are read in async code, in threads, and passed on", async () => {
  const cases = { doubled: [0, 2, 4], doubled_in_thread: [0, 2, 4], passed_on: [0, 1, 2] };
  for (const [method, items] of Object.entries(cases)) {
    const { stdout, stderr } = await drover.cli("invoke", "front", method, "3", "--stream");
    expect(stdout, stderr).toBe(items.map((item) => `${item}\n`).join(""));
  }
});

test("a script calls by handles, from several loops, and starts a deployment that is at zero", async () => {
  const script = `
import asyncio, drover, grpc, numpy, os
back = drover.handle("back")
assert back.many(1, b=2).result(30) == 3
array = numpy.arange(6, dtype="float32").reshape(2, 3)
assert numpy.array_equal(back.many(array, b={"a": array}["a"]).result(), array + array)
for wrong in ({1, 2}, float("nan"), back):
    try:
        back.same([wrong])
    except TypeError as error:
        assert "[0]" in str(error)
    else:
        raise AssertionError("it was sent")
async def main():
    # The program uses grpc.aio too, on a loop of its own.
    async with grpc.aio.insecure_channel(os.environ["DROVER_GATEWAY"]) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        for _ in range(100):
            assert await asyncio.gather(*[back.same(n) for n in range(3)], check(b"")) == [0, 1, 2, bytes([8, 1])]
    assert [n async for n in back.count.stream(3)] == [0, 1, 2]
    try:
        back.who(0).result()
    except RuntimeError:
        pass
    else:
        raise AssertionError("result() blocked the loop")
asyncio.run(main())
asyncio.run(main())
for n in back.count.stream(1000):
    break
try:
    back.wait("script").result(0.1)
except TimeoutError:
    pass
assert drover.handle("idle").options(timeout="60s").same(1).result() == 1
print("done")
`;
  const env = { PYTHONPATH: sdk, DROVER_API: drover.addresses.api, DROVER_GATEWAY: drover.addresses.gateway };
  expect(await run(python(), ["-c", script], { env })).toEqual({ code: 0, stdout: "done\n", stderr: "" });
});
