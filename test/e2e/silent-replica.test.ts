// A replica that answers nothing gets no requests, long before it is replaced. Its process is
// stopped (SIGSTOP): its connections stay, and nothing comes from them.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ReplicaState } from "../../gen/drover/v1/deployment_pb.ts";
import { alive, Drover, until } from "./drover.ts";

const seconds = (count: number) => ({ seconds: BigInt(count) });

let drover: Drover;
beforeAll(async () => {
  drover = await Drover.start();
});
afterAll(() => drover.close());

/** Stops the process of a replica, which goes on at the end of the test at the latest. */
function stop(pid: number): void {
  process.kill(pid, "SIGSTOP");
  onTestFinished(() => void (alive(pid) && process.kill(pid, "SIGCONT")));
}

const pidOf = async (name: string) => ((await drover.invoke(name, "echo", null, { deadlineMs: 1_000 })) as { pid: number }).pid;

test("requests go to the others, and to it again when it answers", async () => {
  await drover.deploy("pauses", { numReplicas: 2 });
  const pid = await pidOf("pauses");
  stop(pid);
  // Requests that were given to it end at their deadline; once it is out, 20 in a row go elsewhere.
  let inRow = 0;
  await until("no request goes there", async () => {
    inRow = await pidOf("pauses").then(
      () => inRow + 1,
      () => 0,
    );
    return inRow === 20;
  });
  const silent = (await drover.running("pauses")).find((replica) => Number(replica.pid) === pid);
  expect(silent?.message).not.toBe("");
  process.kill(pid, "SIGCONT");
  await until("a request goes there again", async () => (await pidOf("pauses").catch(() => 0)) === pid);
});

test("its requests in work end when it is given up, not at the end of its grace period", async () => {
  const healthCheck = { period: seconds(1), timeout: seconds(1), failureThreshold: 3 };
  await drover.deploy("hangs", { numReplicas: 1, healthCheck, gracefulShutdownTimeout: seconds(120) });
  const pid = await pidOf("hangs");
  const work = drover.invoke("hangs", "sleep", 600_000).catch((cause: { reason?: string }) => cause.reason);
  await until("the request is in work", async () => (await drover.running("hangs"))[0]?.ongoingRequests === 1n);
  stop(pid);
  expect(await work).toBe("REPLICA_LOST");
  const { replicas } = await drover.controller.listReplicas({ deployment: "hangs", pageSize: 10 });
  expect(replicas.find((replica) => Number(replica.pid) === pid)?.state).toBe(ReplicaState.DRAINING);
});
