// The hand-written replica as a program: `node faulty-program.ts FAULT`, with the environment variables of the contract.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FaultyReplica } from "./faulty-replica.ts";

const fault = process.argv[2] ?? "";
const { DROVER_LISTEN = "", DROVER_REPLICA_ID = "", DROVER_DEPLOYMENT = "", DROVER_REVISION, DROVER_TOKEN = "" } = process.env;

if (fault === "does not listen") {
  console.error("I would rather not");
  process.exit(3);
}
if (fault === "listens only at sockets" && !DROVER_LISTEN.startsWith("unix:")) process.exit(1);
if (fault === "runs only once") {
  const lock = join(process.cwd(), "lock");
  if (existsSync(lock)) process.exit(1);
  writeFileSync(lock, "");
}
const server = new FaultyReplica({
  fault,
  replicaId: DROVER_REPLICA_ID,
  deployment: DROVER_DEPLOYMENT,
  revision: Number(DROVER_REVISION),
  ongoingMax: Number(process.env.DROVER_MAX_ONGOING_REQUESTS),
  token: DROVER_TOKEN,
}).server();
await server.listen(DROVER_LISTEN);
process.on("SIGTERM", () => {
  if (fault === "ignores SIGTERM") return;
  void server.close(0).finally(() => process.exit(fault === "ends with exit code 1" ? 1 : 0));
});
