// An error with every detail, from a server in TypeScript to a client in Python, and from there to
// its own callers.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { detailOf } from "../../src/rpc/error-detail.ts";
import { failure, temporaryFolder } from "../replica/harness.ts";
import { serve } from "../wire/harness.ts";
import { wireService } from "../wire/wire-service.ts";
import { dedent, runModule, serve as serveProgram, pythonTest as test } from "./python-harness.ts";

const client = `
  import grpc, os
  from google.protobuf import any_pb2
  from google.rpc import status_pb2
  from drover._gen.drover.v1 import controller_service_pb2
  from drover.status_wire import DETAIL_BYTES_MAX, DETAILS_KEY, decode_status, encode_status

  class Ended(grpc.RpcError):
      def __init__(self, code, details, trailers): self._facts = code, details, trailers
      def code(self): return self._facts[0]
      def details(self): return self._facts[1]
      def trailing_metadata(self): return self._facts[2]

  def check(error):
      assert error.code == "RESOURCE_EXHAUSTED" and error.reason == "QUEUE_FULL", error
      assert error.violations == (("a.b[0]", "is wrong"),), error.violations
      assert error.retry_after == 1.5 and error.metadata == {"deployment": "sentiment"}
      (detail,) = error.details
      failure = controller_service_pb2.ReconfigureFailure()
      assert detail.Unpack(failure) and failure.replicas[0].replica_id == "a-1" and failure.replicas_left_out == 7

  try: grpc.insecure_channel(os.environ["ADDRESS"]).unary_unary("/test.v1.WireService/Unary")(b"\\n\\x04fail", timeout=30)
  except grpc.RpcError as error: answered = decode_status(error)
  else: raise SystemExit("no error")
  check(answered)
  check(decode_status(Ended(*encode_status(answered))))
  answered.details = (any_pb2.Any(type_url="x/Large", value=bytes(DETAIL_BYTES_MAX)), *answered.details)
  check(decode_status(Ended(*encode_status(answered))))
  print("good")
`;

test("a client in Python reads every detail of an error, and passes them on; details that do not fit are left out", async () => {
  await using wire = await serve([wireService().implementation]);
  const folder = await temporaryFolder();
  await writeFile(join(folder, "client.py"), dedent(client));
  const { stdout, stderr } = await runModule("client", [], folder, { ADDRESS: wire.address }).ended;
  expect(stdout, stderr).toBe("good\n");
});

const program = `
  from google.rpc import error_details_pb2

  @drover.deployment
  class Program:
      def fail(self):
          foreign = error_details_pb2.ErrorInfo(domain="shop.example", reason="NO_USER", metadata={"user": "7"})
          raise drover.StatusError("NOT_FOUND", "no such user", metadata={"user": "7"}, details=[foreign])
      def fail_wrongly(self, what):
          facts = {"metadata": {"user": 7}} if what == "number" else {"retry_after": "soon"} if what == "delay" else {"details": ["text"]}
          raise drover.StatusError("ABORTED", "no", **facts)
      def half(self): raise drover.StatusError("ABORTED", "a\\ud800", metadata={"\\ud800": "\\ud800"})
      def pass_on(self):
          class Ended(drover.StatusError): pass
          try: self.fail()
          except drover.StatusError as error: raise Ended(error.code, error.message, metadata=error.metadata, details=error.details)
`;

test("the metadata and details of a program's status reach the caller, as those of a program in TypeScript do", async () => {
  const { invoke } = await serveProgram(program);
  for (const method of ["fail", "pass_on"]) {
    const error = await failure(invoke(method));
    expect(error).toMatchObject({ code: "NOT_FOUND", message: "no such user", reason: undefined, facts: { metadata: { user: "7" } } });
    expect(detailOf(error, ErrorInfoSchema)).toMatchObject({ domain: "shop.example", reason: "NO_USER", metadata: { user: "7" } });
  }
});

test("facts of a status that have no form on the wire are INTERNAL, with the cause in the log", async () => {
  const { invoke, kill, ended } = await serveProgram(program);
  for (const what of ["delay", "details"]) {
    expect(await failure(invoke("fail_wrongly", what))).toMatchObject({ code: "INTERNAL", reason: "PROGRAM_ERROR" });
  }
  expect(await failure(invoke("fail_wrongly", "number"))).toMatchObject({ code: "ABORTED", facts: { metadata: { user: "7" } } });
  expect(await failure(invoke("half"))).toMatchObject({ code: "ABORTED" });
  kill("SIGTERM");
  expect((await ended).stderr.match(/^request .* failed: /gm)).toHaveLength(2);
});
