import { expect, test } from "vitest";
import { deployment } from "../../src/replica/index.ts";
import { change, failure, serve } from "./harness.ts";

class Program {
  size(input: Uint8Array) {
    return input.length;
  }
  zeros(length: number) {
    return new Uint8Array(length);
  }
  async *several(lengths: readonly number[]) {
    for (const length of lengths) yield new Uint8Array(length);
  }
  reconfigure() {}
}

const messageBytesMax = 65_536;

test("a message above the bound is refused: a request as the caller's error, a result as the program's", async () => {
  const { invoke, stream } = await serve(deployment(Program), { messageBytesMax });
  expect(await invoke("size", new Uint8Array(65_000))).toBe(65_000);
  expect(await failure(invoke("size", new Uint8Array(messageBytesMax)))).toMatchObject({ reason: "MESSAGE_TOO_LARGE" });
  expect(await invoke("zeros", 65_000)).toHaveLength(65_000);
  expect(await failure(invoke("zeros", messageBytesMax))).toMatchObject({ code: "INTERNAL", reason: "PROGRAM_ERROR" });
  const items = stream("several", [1, messageBytesMax, 2]);
  expect((await items.next()).value).toHaveLength(1);
  expect(await failure(items.next())).toMatchObject({ reason: "PROGRAM_ERROR" });
});

test("control has its own bound: a user_config above that of requests is taken", async () => {
  const { replica } = await serve(deployment(Program), { messageBytesMax });
  expect((await replica.reconfigure(change(1, "x".repeat(1_000_000)))).configGeneration).toBe(1n);
});

test("by default, a message far above gRPC's 4 MiB is taken, and sent", async () => {
  const { invoke } = await serve(deployment(Program));
  const bytes = 8 * 2 ** 20;
  expect(await invoke("size", new Uint8Array(bytes))).toBe(bytes);
  expect(await invoke("zeros", bytes)).toHaveLength(bytes);
});
