import { inspect } from "node:util";
import { describe, expect, expectTypeOf, test } from "vitest";
import type { Handle } from "../../src/client/index.ts";
import { context, deployment, type RequestContext } from "../../src/replica/index.ts";
import { until } from "../kit/until.ts";
import { failure, serve } from "../replica/harness.ts";
import { openCluster } from "./cluster.ts";

class Translator {
  translate(text: string, to = "de") {
    return `${to}:${text}`;
  }
  greet(context: RequestContext, name: string) {
    return `${name} of ${context.deployment}`;
  }
  options(text: string) {
    return `own ${text}`;
  }
  metadata(name: string) {
    return context()?.metadata.get(name) ?? null;
  }
  static ongoing = 0;
  async hangs() {
    Translator.ongoing++;
    await new Promise((left) => context()?.signal.addEventListener("abort", left));
    Translator.ongoing--;
  }
  async *words(text: string) {
    yield* text.split(" ");
  }
}

/** A handle of a translator that runs. */
async function translator() {
  const cluster = await openCluster();
  const served = await serve(deployment(Translator), { deployment: "translator" });
  cluster.route("translator", [served.address]);
  return { ...cluster, served, handle: cluster.connection.handle<Translator>("translator") };
}

describe("a handle", () => {
  test("calls methods by name: with arguments by position, by name, and in the words of Ray", async () => {
    const { handle } = await translator();
    expect(await handle.translate("hi")).toBe("de:hi");
    expect(await handle.translate("hi", "fr")).toBe("fr:hi");
    expect(await handle.translate.named({ to: "it", text: "hi" })).toBe("it:hi");
    expect(await handle.greet("Ada")).toBe("Ada of translator");
    expect(await handle.translate.remote("hi").result("10s")).toBe("de:hi");
    expect(await handle.method("options")("choices")).toBe("own choices");
    const words: string[] = [];
    for await (const word of handle.words.stream("a b c")) words.push(word);
    expect(words).toEqual(["a", "b", "c"]);
  });

  test("calls a function as a function", async () => {
    const cluster = await openCluster();
    function double(n: number, times = 2) {
      return times * n;
    }
    cluster.route("double", [(await serve(deployment(double), { deployment: "double" })).address]);
    const handle = cluster.connection.handle<typeof double>("double");
    expect(await handle(4)).toBe(8);
    expect(await handle.remote(5)).toBe(10);
    expect(await handle(5, 3)).toBe(15);
    expect(await handle.call.named({ n: 5 })).toBe(10);
  });

  test("has options, of which a copy replaces some", async () => {
    const { handle, connection } = await translator();
    const tagged = handle.options({ metadata: { a: "1", b: "2" } }).options({ metadata: { b: "3" } });
    expect([await tagged.metadata("a"), await tagged.metadata("b"), await handle.metadata("a")]).toEqual(["1", "3", null]);
    expect(await handle.options({ model: "m" }).metadata("drover-model")).toBe("m");
    expect(await failure(handle.options({ timeout: 0.02 }).hangs())).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    const leave = new AbortController();
    const left = failure(handle.options({ signal: leave.signal }).hangs());
    leave.abort();
    expect(await left).toMatchObject({ code: "CANCELLED" });
    expect(() => connection.handle("translator", { timeout: "soon" })).toThrow("timeout");
  });

  test("waits for a result as long as it is told to, while the call goes on", async () => {
    const { handle } = await translator();
    const call = handle.options({ timeout: 0.3 }).hangs();
    expect(await failure(call.result(0.01))).toMatchObject({ code: "DEADLINE_EXCEEDED", message: expect.stringContaining("goes on") });
    expect(await failure(call)).toMatchObject({ callee: { deployment: "translator", method: "hangs" } });
  });

  test("takes calls as arguments: their results are sent, and their failures are the call's", async () => {
    const { handle } = await translator();
    const hi = handle.translate("hi");
    expect(await handle.translate(hi, handle.translate("x", "y"))).toBe("y:x:de:hi");
    expect(await handle.translate.named({ text: hi, to: Promise.resolve("fr") })).toBe("fr:de:hi");
    const words: string[] = [];
    for await (const word of handle.words.stream(handle.translate("a b"))) words.push(word);
    expect(words).toEqual(["de:a", "b"]);
    const failed = handle.method("nope")() as Promise<string>;
    expect(await failure(handle.translate(failed))).toMatchObject({ reason: "METHOD_NOT_FOUND", callee: { method: "nope" } });
    const hanging = handle.hangs() as unknown as Promise<string>;
    expect(await failure(handle.options({ timeout: 0.02 }).translate(hanging))).toMatchObject({ reason: "DEADLINE" });
    const waits = handle.translate(hanging);
    waits.cancel();
    expect(await failure(waits)).toMatchObject({ code: "CANCELLED" });
  });

  test("is cancelled by itself, whether or not anybody waits for it", async () => {
    const { handle } = await translator();
    const before = Translator.ongoing;
    await until(async () => (await handle.metadata("drover-deployment")) === null);
    const [call, nobody] = [handle.hangs(), handle.hangs()];
    await until(() => Translator.ongoing === before + 2);
    for (const one of [call, nobody]) one.cancel();
    expect(await failure(call)).toMatchObject({ code: "CANCELLED" });
    await until(() => Translator.ongoing === before);
  });

  test("is no promise, no argument, and shows its deployment", async () => {
    const { handle } = await translator();
    expect(await Promise.resolve(handle)).toBe(handle);
    expect(inspect(handle)).toContain("translator");
    expect((await failure(handle.translate(handle as unknown as string))).message).toContain("function");
  });

  test("goes directly to a replica with room, and for a model only to a replica that has it", async () => {
    const { handle, route, served } = await translator();
    const isDirect = async (one: Handle<Translator>) => (await one.metadata("drover-deployment")) === null;
    await until(() => isDirect(handle));
    const large = handle.options({ model: "large" });
    expect(await isDirect(large)).toBe(false);
    expect(await isDirect(handle.options({ metadata: { "Drover-Model": "large" } }))).toBe(false);
    route("translator", [served.address], { endpoints: [] });
    expect(await isDirect(handle)).toBe(true);
  });

  test("has the types of the program's methods, without the context", () => {
    type Typed = Handle<Translator>;
    expectTypeOf<Parameters<Typed["greet"]>>().toEqualTypeOf<[name: string | Promise<string>]>();
    expectTypeOf<Parameters<Typed["translate"]>>().toEqualTypeOf<
      [text: string | Promise<string>, to?: string | Promise<string | undefined>]
    >();
    expectTypeOf<Awaited<ReturnType<Typed["translate"]>>>().toEqualTypeOf<string>();
    expectTypeOf<ReturnType<Typed["words"]["stream"]>>().toEqualTypeOf<AsyncIterable<string>>();
  });
});
