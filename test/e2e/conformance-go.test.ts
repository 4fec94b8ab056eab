// Goal: a program in another language that knows nothing of Drover is deployed, counted, updated and stopped like any other. Method: the
// example in Go, built here, behind a real controller; where there is no Go the tests are left out, and say so.
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GreeterService } from "../../examples/greeter/gen/greeter/v1/greeter_pb.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { goProgram } from "../toolchains/go.ts";
import { Drover, root, until } from "./drover.ts";

const example = join(root, "examples/go-greeter");
/** What a deployment that says nothing of it has. */
const ongoingMax = 5;
const go = await goProgram(example);

describe.skipIf("missing" in go)("the greeter in Go", () => {
  const program = "path" in go ? go.path : "";
  let drover: Drover;
  let gateway: Channel;
  /** The example's folder as it is once its program was built there. */
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "drover-go-"));
    await mkdir(join(folder, "dist"));
    await copyFile(program, join(folder, "dist/go-greeter"));
    for (const name of ["deployment.yaml", ".droverignore"]) await copyFile(join(example, name), join(folder, name));
    drover = await Drover.start();
    gateway = new Channel(drover.addresses.gateway);
    expect(await drover.cli("deploy", join(folder, "deployment.yaml"), "--bundle", folder)).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    gateway?.close();
    await drover?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const greeter = () => gateway.client(GreeterService);
  /** A stream that goes on until the signal aborts. */
  const opened = (signal: AbortSignal) => {
    const { promise: begun, resolve, reject } = Promise.withResolvers<void>();
    const ended = (async () => {
      for await (const _ of greeter().greetRepeatedly({ name: "Ada", times: 1_000 }, { signal })) resolve();
    })().catch((error: unknown) => {
      if (!signal.aborted) reject(error);
    });
    return { begun, ended };
  };
  const statusOf = async () => (await drover.controller.getDeployment({ name: "go-greeter" })).deployment?.status;

  test("answers through the gateway, which finds it by its reflection", async () => {
    expect(await greeter().greet({ name: "Ada" })).toMatchObject({ greeting: "Hello, Ada!" });
    await expect(greeter().greet({ name: "" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: "name: tell me whom to greet" });
  });

  test("has its requests in work counted by the gateway: what is above the bound of its two replicas waits until one has ended", async () => {
    const left = Array.from({ length: 2 * ongoingMax }, () => new AbortController());
    const streams = left.map(({ signal }) => opened(signal));
    await Promise.all(streams.map(({ begun }) => begun));
    const waiting = greeter().greet({ name: "Ada" });
    await until("it waits", async () => (await statusOf())?.queuedRequests === 1n);
    expect((await statusOf())?.ongoingRequests).toBe(10n);
    left[0]?.abort();
    expect(await waiting).toMatchObject({ greeting: "Hello, Ada!" });
    for (const one of left) one.abort();
    await Promise.all(streams.map(({ ended }) => ended));
    // Two greetings ended well; one was refused by the program, and the streams were left.
    const counts = async () => {
      const replicas = await drover.running("go-greeter");
      return [replicas.map(({ completedTotal }) => Number(completedTotal)), replicas.map(({ failedTotal }) => Number(failedTotal))];
    };
    const sum = (numbers: readonly number[] = []) => numbers.reduce((all, one) => all + one, 0);
    await until("all are counted", async () => {
      const [completed, failed] = await counts();
      return sum(completed) === 2 && sum(failed) === 1 + streams.length;
    });
  });

  test("takes no user_config, and the refusal says what would make it take one", async () => {
    const refused = await drover.cli("reconfigure", "go-greeter", '{"word": "Hi"}');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("FAILED_PRECONDITION");
    expect(refused.stdout + refused.stderr).toContain("ReplicaService");
    expect(await greeter().greet({ name: "Ada" })).toMatchObject({ greeting: "Hello, Ada!" });
  });

  test("is updated without a failed request, and a stream that is in work goes on to its end", async () => {
    const before = (await drover.running("go-greeter")).map(({ replicaId }) => replicaId);
    expect(before).toHaveLength(2);
    const greetings: string[] = [];
    const stream = (async () => {
      for await (const { greeting } of greeter().greetRepeatedly({ name: "Ada", times: 15 })) greetings.push(greeting);
    })();
    await until("the stream is in work", () => greetings.length > 0);
    const over = new AbortController();
    let answered = 0;
    const load = (async () => {
      for (; !over.signal.aborted; answered++) await greeter().greet({ name: "Ada" });
    })();
    expect(await drover.cli("deploy", join(folder, "deployment.yaml"), "--bundle", folder, "--redeploy")).toMatchObject({ code: 0 });
    over.abort();
    await Promise.all([load, stream]);
    expect(answered).toBeGreaterThan(0);
    expect(greetings).toHaveLength(15);
    const after = (await drover.running("go-greeter")).map(({ replicaId }) => replicaId);
    expect(after).toHaveLength(2);
    expect(after.filter((id) => before.includes(id))).toEqual([]);
  });

  test("keeps what Drover expects of a replica", async () => {
    const { code, stdout } = await drover.cli("conformance", "--tcp", "--", program);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/\n8 hold, 0 do not, \d+ not checked\n$/) });
    expect(stdout).toContain("the program does not serve drover.replica.v1.ReplicaService");
  });
});
