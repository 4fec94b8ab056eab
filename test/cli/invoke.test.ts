import { toJson } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import type { InvokeResponse } from "../../gen/drover/v1/invoke_service_pb.ts";
import { QuotaFailureSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusError } from "../../src/core/errors.ts";
import { packDetail } from "../../src/rpc/error-detail.ts";
import { Media } from "../../src/rpc/media.ts";
import { Tensor } from "../../src/rpc/tensor.ts";
import { decodeArguments, encodeResult } from "../../src/rpc/values.ts";
import { type InvokeHandlers, serve } from "./harness.ts";

/** Gives back what it was given. */
const echo: InvokeHandlers = {
  invoke: ({ input }) => ({ output: input as InvokeResponse["output"] }),
};

test("the result is JSON: compact in a pipe, indented on a terminal", async () => {
  const run = await serve({}, echo);
  const json = '{"text": "Lovely!", "n": [1, null]}';
  expect(await run(["invoke", "a", "m", json])).toEqual({ exitCode: 0, stdout: '{"text":"Lovely!","n":[1,null]}\n', stderr: "" });
  expect((await run(["invoke", "a", "m", json], { terminal: true })).stdout).toBe(`${JSON.stringify(JSON.parse(json), null, 2)}\n`);
  expect((await run(["invoke", "a", "m", json, "-o", "json"], { terminal: true })).stdout).toBe('{"text":"Lovely!","n":[1,null]}\n');
});

test("without method and input, the function is called with nothing", async () => {
  const asked: unknown[] = [];
  const run = await serve(
    {},
    {
      invoke: ({ deployment, method, input }) => {
        asked.push([deployment, method, input.case]);
        return {};
      },
    },
  );
  expect((await run(["invoke", "a"])).stdout).toBe("null\n");
  expect(asked).toEqual([["a", "", undefined]]);
});

test("metadata goes along, and the model", async () => {
  const asked: unknown[] = [];
  const names = ["x-user", "drover-model", "x-raw-bin"];
  const run = await serve(
    {},
    {
      invoke: (_, { metadata }) => {
        asked.push(names.map((name) => metadata.get(name)));
        return {};
      },
    },
  );
  await run(["invoke", "a", "m", "--model", "fr", "--metadata", "x-user=a=b", "--metadata", "X-User=c", "--metadata", "x-raw-bin=AAE="]);
  expect(asked).toEqual([[["a=b", "c"], ["fr"], [Buffer.from([0, 1])]]]);
  for (const wrong of [
    ["--metadata", "x-user"],
    ["--model", "fr", "--metadata", "drover-model=de"],
  ])
    expect(await run(["invoke", "a", "m", ...wrong])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(`${wrong.at(-1)?.split("=")[0]}`),
    });
});

test("an argument in the place of the method is bad usage, and no call", async () => {
  const run = await serve({}, { invoke: () => expect.unreachable() });
  expect(await run(["invoke", "a", '{"n": 1}'])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("drover invoke a METHOD") });
});

test("several arguments go by position and by name", async () => {
  const asked: unknown[] = [];
  const run = await serve(
    {},
    {
      invoke: (request) => {
        asked.push(decodeArguments(request));
        return {};
      },
    },
  );
  for (const given of [
    ["1", '"a=b"'],
    ["text=-", "max=2"],
    ["-", "x={}"],
  ])
    await run(["invoke", "a", "m", ...given], { stdin: "[3]" });
  expect(asked).toEqual([
    { positional: [1, "a=b"], named: {} },
    { positional: [], named: { text: [3], max: 2 } },
    { positional: [[3]], named: { x: {} } },
  ]);
  for (const given of [["x=1", "x=2"], ["-", "-"], ["1", "2", "--bytes"], ["x=?"]]) {
    expect(await run(["invoke", "a", "m", ...given]), `${given}`).toMatchObject({ exitCode: 2, stdout: "" });
  }
  expect(asked).toHaveLength(3);
});

test("arrays are printed as lists, bytes as base64, and a file alone as it is", async () => {
  const results: unknown[] = [
    { m: new Tensor(new Float32Array([1, 2, 3, 4, Number.NaN, 6]), [3, 2]), n: new BigInt64Array([1n, 2n ** 60n]) },
    [
      new Tensor(new Uint8Array([1, 0]), [2], "bool"),
      new Tensor(new Float64Array([1, 2]), [], "complex128"),
      new Tensor(new Uint8Array(0), [2, 0]),
    ],
    { raw: new Uint8Array([0]), file: new Media(new Uint8Array([1]), "image/png") },
    new Media(new TextEncoder().encode("a,b"), "text/csv"),
  ];
  const run = await serve({}, { invoke: ({ method }) => encodeResult(results[Number(method)]) });
  const printed = await Promise.all(results.map(async (_, index) => (await run(["invoke", "a", `${index}`])).stdout));
  expect(printed).toEqual([
    '{"m":[[1,2],[3,4],["NaN",6]],"n":[1,"1152921504606846976"]}\n',
    "[[true,false],[1,2],[[],[]]]\n",
    '{"raw":{"bytes":"AA=="},"file":{"media_type":"image/png","bytes":"AQ=="}}\n',
    "a,b",
  ]);
});

test("standard input is JSON, or bytes that come out as they went in", async () => {
  const run = await serve({}, echo);
  expect((await run(["invoke", "a", "m", "-"], { stdin: " [1,\n2] " })).stdout).toBe("[1,2]\n");
  expect((await run(["invoke", "a", "m", "-", "--bytes"], { stdin: "no newline" })).stdout).toBe("no newline");
  expect((await run(["invoke", "a", "m", "hi", "--bytes", "-o", "json"])).stdout).toBe('{"bytes":"aGk="}\n');
});

test("each result of a stream is printed as it comes", async () => {
  const interrupt = new AbortController();
  const printed: string[] = [];
  const run = await serve(
    {},
    {
      async *invokeServerStream({ input }, { signal }) {
        const words = input.case === "json" ? (toJson(ValueSchema, input.value) as readonly string[]) : [];
        for (const word of words) yield { output: { case: "json", value: { kind: { case: "stringValue", value: word } } } };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  );
  const onPrint = (text: string) => {
    printed.push(text);
    if (printed.length === 2) interrupt.abort();
  };
  const ended = await run(["invoke", "a", "m", '["x", "y"]', "--stream"], { interrupted: interrupt.signal, onPrint });
  expect(ended).toEqual({ exitCode: 130, stdout: '"x"\n"y"\n', stderr: "" });
  expect(printed).toEqual(['"x"\n', '"y"\n']);
});

test("a call that takes longer than --timeout fails", async () => {
  const run = await serve({}, { invoke: (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve({}))) });
  expect(await run(["invoke", "a", "--timeout", "100ms"])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/^error: DEADLINE_EXCEEDED: /),
  });
});

test("a status of the program is printed unchanged, also UNAVAILABLE", async () => {
  const run = await serve({}, { invoke: () => Promise.reject(new StatusError("UNAVAILABLE", "the model is being loaded")) });
  expect(await run(["invoke", "a"])).toEqual({ exitCode: 1, stdout: "", stderr: "error: UNAVAILABLE: the model is being loaded\n" });
});

test("the metadata and the details of a program's status are printed", async () => {
  const quota = packDetail(QuotaFailureSchema, { violations: [{ subject: "user:7", description: "10 a day" }] });
  const details = [quota, { typeName: "shop.v1.Order", value: Uint8Array.of(8, 1) }, { ...quota, value: Uint8Array.of(0xff) }];
  const error = new StatusError("NOT_FOUND", "no such user", { metadata: { user: "7" }, details });
  const run = await serve({}, { invoke: () => Promise.reject(error) });
  const { exitCode, stderr } = await run(["invoke", "a"]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("user: 7");
  expect(stderr).toContain('google.rpc.QuotaFailure: {"violations":[{"subject":"user:7","description":"10 a day"}]}');
  expect(stderr).toContain("google.rpc.QuotaFailure: 1 bytes");
  expect(stderr).toContain("shop.v1.Order: 2 bytes");
});
