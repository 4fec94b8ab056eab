// An error with every detail, from a server in TypeScript to a client in Python, and from there to
// its own callers.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { temporaryFolder } from "../replica/harness.ts";
import { serve } from "../wire/harness.ts";
import { wireService } from "../wire/wire-service.ts";
import { dedent, runModule, pythonTest as test } from "./python-harness.ts";

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
