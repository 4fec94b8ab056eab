// Values that are not JSON, between the two SDKs: from TypeScript to a replica in Python, and from
// Python to a replica in TypeScript.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect } from "vitest";
import { InvokeRequestSchema, InvokeService, PartSchema } from "../../gen/drover/v1/invoke_service_pb.ts";
import type { StatusError } from "../../src/core/errors.ts";
import { define } from "../../src/program/definition.ts";
import type { Channel } from "../../src/rpc/channel.ts";
import { jsonToValue } from "../../src/rpc/json-value.ts";
import { Media } from "../../src/rpc/media.ts";
import { Tensor } from "../../src/rpc/tensor.ts";
import { decodeResult, encodeArguments } from "../../src/rpc/values.ts";
import { failure, serve as serveHere, temporaryFolder } from "../replica/harness.ts";
import { dedent, runModule, serve, pythonTest as test } from "./python-harness.ts";

function caller(channel: Channel) {
  const client = channel.client(InvokeService);
  return async (method: string, positional: readonly unknown[] = [], named: Record<string, unknown> = {}) =>
    decodeResult(await client.invoke({ method, ...encodeArguments({ positional, named }) }));
}

/** The fields that a call was refused for; undefined: it was not, or failed otherwise. */
const fieldsOf = async (call: Promise<unknown>) => (await call.then(() => undefined, fieldsIn)) as readonly string[] | undefined;
const fieldsIn = ({ facts }: StatusError) => facts.violations?.map(({ field }) => field);

/** Each is the same when it comes back. */
const values = {
  floats: new Float32Array([0.5, Number.NaN, Number.NEGATIVE_INFINITY]),
  none: new Float64Array(0),
  longs: new BigInt64Array([2n ** 60n]),
  image: new Tensor(new Uint8Array([1, 2, 3, 4, 5, 6]), [1, 2, 3]),
  flat: new Tensor(new Uint8Array([1, 2])),
  flags: new Tensor(new Uint8Array([1, 0]), [2], "bool"),
  complex: new Tensor(new Float32Array([1, 2]), [1], "complex64"),
  bytes: [new Uint8Array([0, 255])],
  file: new Media(new Uint8Array([1]), "text/csv"),
};

const program = `
  import dataclasses, datetime, enum, typing
  import numpy, pydantic
  from PIL import Image

  class Size(enum.Enum):
      SMALL = "small"

  @dataclasses.dataclass
  class Box:
      width: int
      height: int = 1

  class Order(pydantic.BaseModel):
      model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
      text: str
      day: datetime.date = datetime.date(1970, 1, 1)
      size: Size = Size.SMALL
      box: typing.Optional[Box] = None
      scores: typing.Optional[numpy.ndarray] = None
      raw: bytes = b""

  class Place(typing.TypedDict):
      city: str

  @drover.deployment
  class Program:
      def echo(self, value): return value
      def loose(self, value: dict[str, typing.Any], places: list[Place], other: typing.Union[Place, None] = None):
          return [value, places, other]
      def kinds(self, **values): return {name: self.kind(value) for name, value in values.items()}
      def kind(self, value):
          return f"{type(value).__name__} {value.dtype} {list(value.shape)}" if isinstance(value, numpy.ndarray) else type(value).__name__
      def arrays(self):
          return [numpy.arange(6, dtype="float32").reshape(2, 3).T, numpy.arange(2, dtype=">i4"), numpy.float32(0.5), numpy.array(["a"])]
      def draw(self): return Image.new("RGB", (3, 2), "red")
      def red(self, picture, x, y): return picture.convert("RGB").getpixel((x, y))
      def size(self, file: drover.Media): return [file.media_type, len(file.data)]
      def cut(self, text, max_length=3, *, end="…"): return text[:max_length] + end
      def whose(self, first, request: drover.RequestContext, second): return [first, second, request.deployment]
      def order(self, order: Order): return order
      def boxes(self, boxes: list[Box], other: typing.Union[Box, str] = ""): return [box.width * box.height for box in boxes]
      def bad(self): return {"image": [numpy.array([1], dtype="longdouble")]}
`;

describe("a replica in Python", () => {
  test("takes and returns what TypeScript sends, as numpy's arrays, images, files and bytes", async () => {
    const call = caller((await serve(program)).channel);
    expect(await call("echo", [values])).toEqual(values);
    for (const value of Object.values(values)) expect(await call("echo", [value])).toEqual(value);
    expect(await call("kinds", [], values)).toMatchObject({
      ...{ floats: "ndarray float32 [3]", none: "ndarray float64 [0]", image: "ndarray uint8 [1, 2, 3]", flags: "ndarray bool [2]" },
      ...{ complex: "ndarray complex64 [1]", bytes: "list", file: "Media" },
    });
    const swapped = new Int32Array([0, 1]);
    expect(await call("arrays")).toEqual([new Tensor(new Float32Array([0, 3, 1, 4, 2, 5]), [3, 2]), swapped, 0.5, ["a"]]);
    const drawn = (await call("draw")) as Media;
    expect(drawn.mediaType).toBe("image/png");
    expect(await call("red", [drawn, 2, 1])).toEqual([255, 0, 0]);
    expect(await call("size", [drawn])).toEqual(["image/png", drawn.data.length]);
    const large = new Float32Array(150_528).map((_, index) => index / 7);
    const request = create(InvokeRequestSchema, { method: "echo", ...encodeArguments({ positional: [{ large }], named: {} }) });
    expect(toBinary(InvokeRequestSchema, request).length).toBeLessThan(large.byteLength + 100);
    expect(await call("echo", [{ large }])).toEqual({ large });
    expect((await failure(call("bad"))).message).toContain("result.image[0] is an array of ");
  });

  test("takes arguments by position and by name, and names what does not fit", async () => {
    const call = caller((await serve(program)).channel);
    expect(await call("cut", ["abcdef"])).toBe("abc…");
    expect(await call("cut", ["abcdef", 2], { end: "!" })).toBe("ab!");
    expect(await call("cut", [], { max_length: 1, text: "xyz" })).toBe("x…");
    expect(await call("whose", [1, 2])).toEqual([1, 2, "echo"]);
    const place = { city: "Rome" };
    expect(await call("loose", [{ a: 1 }, [place], place])).toEqual([{ a: 1 }, [place], place]);
    expect(await call("whose", [1], { second: 2 })).toEqual([1, 2, "echo"]);
    expect(await fieldsOf(call("cut", []))).toBeUndefined(); // None has no slice: the program's own error
    expect(await fieldsOf(call("whose", [1]))).toEqual(["second"]);
    expect(await fieldsOf(call("whose", [1, 2], { first: 3 }))).toEqual(["first"]);
    expect(await fieldsOf(call("whose", [1, 2], { request: 3, colour: 1 }))).toEqual(["colour", "request"]);
    expect(await fieldsOf(call("cut", ["a", 1, "…"]))).toEqual(["arguments.positional[2]"]);
    expect(await fieldsOf(call("arrays", ["a"]))).toEqual(["arguments.positional[0]"]);
  });

  test("gives a parameter the class that it is annotated with", async () => {
    const call = caller((await serve(program)).channel);
    const order = { text: "a", day: "2024-01-02", box: { width: 2, height: 3 }, scores: values.floats, raw: new Uint8Array([255]) };
    expect(await call("order", [{ ...order, scores: null }])).toEqual({ ...order, scores: null, size: "small" });
    expect(await call("order", [order])).toEqual({ ...order, size: "small" });
    expect(await call("boxes", [[{ width: 2, height: 3 }, { width: 4 }], { width: 1 }])).toEqual([6, 4]);
    expect(await fieldsOf(call("order", [{ text: 1, box: {} }]))).toEqual(["order.text", "order.box.width"]);
    expect(await fieldsOf(call("boxes", [[{ width: 1 }, { height: 3, depth: 1 }]]))).toEqual(["boxes[1].depth", "boxes[1].width"]);
  });

  test("names the place of a part that does not fit, also where numpy or Pillow would fail", async () => {
    const { channel } = await serve(program);
    const fields = (part: MessageInitShape<typeof PartSchema>) =>
      fieldsOf(
        channel.client(InvokeService).invoke({
          ...{ method: "echo", input: { case: "json", value: jsonToValue([null]) } },
          parts: [create(PartSchema, { path: "/0", ...(part as object) })],
        }),
      );
    const huge = 2n ** 62n;
    expect(await fields({ elementType: "float32", shape: [0n, huge, huge] })).toEqual(["parts[0].shape"]);
    expect(await fields({ elementType: "float32", shape: [-1n, -1n], data: new Uint8Array(4) })).toEqual(["parts[0].shape"]);
    expect(await fields({ elementType: "uint8", shape: Array(33).fill(1n), data: new Uint8Array(1) })).toEqual(["parts[0].shape"]);
    expect(await fields({ mediaType: "picture" })).toEqual(["parts[0].media_type"]);
    expect(await fields({ mediaType: "image/png", data: new Uint8Array([0x89, 0x50]) })).toBeUndefined();
    expect(await fields({ path: "/00" })).toEqual(["parts[0].path"]);
  });

  test("names the place of a number that JSON does not have, and of a name that no caller can give", async () => {
    const { channel } = await serve(program);
    const client = channel.client(InvokeService);
    const infinite = create(ValueSchema, { kind: { case: "numberValue", value: Number.NaN } });
    const list = create(ValueSchema, { kind: { case: "listValue", value: { values: [infinite] } } });
    expect(await fieldsOf(client.invoke({ method: "echo", input: { case: "json", value: list } }))).toEqual(["json[0]"]);
    const nested = (levels: number): Value =>
      levels === 0 ? infinite : create(ValueSchema, { kind: { case: "listValue", value: { values: [nested(levels - 1)] } } });
    const deep = await fieldsOf(client.invoke({ method: "echo", input: { case: "json", value: nested(33) } }));
    expect(deep).toEqual([`json${"[0]".repeat(32)}`]);
    const named = { case: "arguments" as const, value: { named: { scores: list } } };
    expect(await fieldsOf(client.invoke({ method: "kinds", input: named }))).toEqual(["scores[0]"]);
    expect(await fieldsOf(caller(channel)("kinds", [], { self: 1, other: 1 }))).toEqual(["self"]);
  });

  test("refuses JSON of more values than a request may hold", async () => {
    const source = `
      import drover, drover.values
      drover.values.JSON_VALUES_MAX = 5
      @drover.deployment
      class Program:
          def echo(self, *values): return list(values)
    `;
    const call = caller((await serve(source)).channel);
    expect(await call("echo", [[1, [2]]])).toEqual([[1, [2]]]);
    expect(await fieldsOf(call("echo", [[1, [2, 3]]]))).toEqual(["json"]);
    expect(await fieldsOf(call("echo", [[1], [2, 3]]))).toBeUndefined();
    expect(await fieldsOf(call("echo", [[1], [2, [3]]]))).toEqual(["arguments"]);
  });

  test("without numpy and Pillow has memoryviews and files, and returns them as they came", async () => {
    const source = `
      import sys
      sys.modules["numpy"] = sys.modules["PIL"] = None
      @drover.deployment
      class Program:
          def echo(self, value): return value
          def kind(self, value): return [type(value).__name__, value.format, list(value.shape), value.tolist()]
          def kind_of_file(self, value): return type(value).__name__
    `;
    const call = caller((await serve(source)).channel);
    const { complex, flat, ...same } = values;
    const file = new Media(new Uint8Array([1]), "image/png");
    expect(await call("echo", [{ ...same, file }])).toEqual({ ...same, file });
    expect(await call("kind", [new Tensor(new Float32Array([1, 2]), [2, 1])])).toEqual(["memoryview", "f", [2, 1], [[1], [2]]]);
    expect(await call("kind", [complex])).toEqual(["memoryview", "f", [1, 2], [[1, 2]]]);
    expect(await call("echo", [[flat]])).toEqual([new Uint8Array([1, 2])]);
    expect(await call("kind_of_file", [file])).toBe("Media");
  });
});

describe("a client in Python", () => {
  test("sends to TypeScript and gets back the same", async () => {
    const received: unknown[] = [];
    const here = await serveHere(
      define(
        class {
          echo(value: unknown) {
            received.push(value);
            return value;
          }
          *each(values: unknown[]) {
            yield* values;
          }
        },
      ),
    );
    const folder = await temporaryFolder();
    const client = `
      import sys, drover, numpy
      from PIL import Image
      client = drover.get("echo", gateway=sys.argv[1])
      large = numpy.arange(150_528, dtype="float32").reshape(3, 224, 224)
      assert (client.invoke("echo", {"large": large})["large"] == large).all()
      sent = [numpy.array([[1.5, numpy.nan]]), numpy.array([1, 2], dtype="uint8"), numpy.array([True]), numpy.array([1j])]
      for there, back in zip(sent, client.invoke("echo", sent)):
          assert there.dtype == back.dtype and there.shape == back.shape and there.tobytes() == back.tobytes(), back
      assert [bytes(item) for item in client.stream("each", [b"a", b"b"])] == [b"a", b"b"]
      assert client.invoke("echo", {"raw": bytearray(b"ab"), "/~": [b""]}) == {"raw": b"ab", "/~": [b""]}
      assert client.invoke("echo", drover.Media(b"a,b", "text/csv")) == drover.Media(b"a,b", "text/csv")
      image = client.invoke("echo", Image.new("RGB", (2, 1), "blue"))
      assert image.getpixel((1, 0)) == (0, 0, 255)
      for wrong, place in [([1, float("nan")], "arguments[0][1] is NaN"), ({"a": {1}}, "arguments[0].a is a set")]:
          try: client.invoke("echo", wrong)
          except TypeError as error: assert place in str(error), error
          else: raise AssertionError(place)
    `;
    await writeFile(join(folder, "client.py"), dedent(client));
    expect(await runModule("client", [here.address], folder).ended).toMatchObject({ exit: 0, stderr: "" });
    expect(received[0]).toMatchObject({ large: { shape: [3, 224, 224], elementType: "float32" } });
    expect(received[1]).toEqual([
      new Tensor(new Float64Array([1.5, Number.NaN]), [1, 2]),
      new Tensor(new Uint8Array([1, 2])),
      new Tensor(new Uint8Array([1]), [1], "bool"),
      new Tensor(new Float64Array([0, 1]), [1], "complex128"),
    ]);
  });
});
