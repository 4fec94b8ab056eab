// Own gRPC services of all four kinds, registered by hand, with handlers that are async and ones that are not: called by gRPC's own
// client for Python, as their authors would.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { dedent, runModule, serve, pythonTest as test } from "./python-harness.ts";

const program = `
  import grpc

  def service(unary, stream, collect, echo, fails, status, metadata):
      kinds = {
          "Unary": grpc.unary_unary_rpc_method_handler(unary),
          "Stream": grpc.unary_stream_rpc_method_handler(stream),
          "Collect": grpc.stream_unary_rpc_method_handler(collect),
          "Echo": grpc.stream_stream_rpc_method_handler(echo),
          "Fails": grpc.unary_stream_rpc_method_handler(fails),
          "Status": grpc.unary_unary_rpc_method_handler(status),
          "Metadata": grpc.unary_unary_rpc_method_handler(metadata),
      }
      return lambda instance: [lambda server: server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("raw.Raw", kinds),))]

  class InThreads:
      def unary(request, context): return request + b"!"
      def stream(request, context): return (bytes([n]) for n in request)
      def collect(requests, context): return b"".join(requests)
      def echo(requests, context):
          for request in requests: yield request * 2
      def fails(request, context):
          yield b"1"
          context.abort(grpc.StatusCode.DATA_LOSS, "the rest is gone")
      def status(request, context):
          context.set_trailing_metadata((("x-more", "1"),))
          raise drover.StatusError("NOT_FOUND", "no such thing", retry_after=1)
      def metadata(request, context):
          context.send_initial_metadata((("x-first", "1"),))
          ended = []
          assert context.add_callback(lambda: ended.append(1)) and context.is_active() and context.time_remaining() > 1
          return str(drover.context().metadata["x-caller"]).encode()

  class Async:
      async def unary(request, context): return request + b"!"
      async def stream(request, context):
          for n in request: yield bytes([n])
      async def collect(requests, context): return b"".join([request async for request in requests])
      async def echo(requests, context):
          async for request in requests: await context.write(request * 2)
      async def fails(request, context):
          yield b"1"
          await context.abort(grpc.StatusCode.DATA_LOSS, "the rest is gone")
      async def status(request, context):
          context.set_trailing_metadata((("x-more", "1"),))
          raise drover.StatusError("NOT_FOUND", "no such thing", retry_after=1)
      async def metadata(request, context):
          await context.send_initial_metadata((("x-first", "1"),))
          return str(drover.context().metadata["x-caller"]).encode()

  names = ("unary", "stream", "collect", "echo", "fails", "status", "metadata")
  for kind in (InThreads, Async):
      globals()["Of" + kind.__name__] = drover.deployment(
          type("Program", (), {}), services=service(*(vars(kind)[name] for name in names)))
`;

const client = `
  import grpc, os
  from drover.status_wire import decode_status
  channel = grpc.insecure_channel(os.environ["ADDRESS"])
  method = lambda kind, name: getattr(channel, kind)("/raw.Raw/" + name)
  wait = {"timeout": 30}
  assert method("unary_unary", "Unary")(b"a", **wait) == b"a!"
  assert list(method("unary_stream", "Stream")(b"abc", **wait)) == [b"a", b"b", b"c"]
  assert method("stream_unary", "Collect")(iter([b"a", b"b"]), **wait) == b"ab"
  assert list(method("stream_stream", "Echo")(iter([b"a", b"b"]), **wait)) == [b"aa", b"bb"]
  got = []
  try:
      for item in method("unary_stream", "Fails")(b"", **wait): got.append(item)
  except grpc.RpcError as error: assert (got, error.code(), error.details()) == ([b"1"], grpc.StatusCode.DATA_LOSS, "the rest is gone"), error
  else: raise SystemExit("no error")
  try: method("unary_unary", "Status")(b"", **wait)
  except grpc.RpcError as error:
      assert decode_status(error).code == "NOT_FOUND" and decode_status(error).retry_after == 1, error
      assert dict(error.trailing_metadata())["x-more"] == "1", error.trailing_metadata()
  else: raise SystemExit("no error")
  answer, call = method("unary_unary", "Metadata").with_call(b"", metadata=(("x-caller", "me"),), **wait)
  assert answer == b"me" and dict(call.initial_metadata())["x-first"] == "1"
  print("good")
`;

describe.each(["OfInThreads", "OfAsync"])("a program's own services (%s)", (name) => {
  test("of every kind answer as they would without Drover", async () => {
    const { folder, channel, replica, kill, ended } = await serve(program, { args: ["program.py", name] });
    expect((await replica.getInfo({})).services).toEqual(["drover.v1.InvokeService", "raw.Raw"]);
    await writeFile(join(folder, "client.py"), dedent(client));
    const { stdout, stderr } = await runModule("client", [], folder, { ADDRESS: channel.address }).ended;
    expect(stdout, stderr).toBe("good\n");
    kill("SIGTERM");
    expect(await ended).toMatchObject({ exit: 0, stderr: "" });
  });
});
