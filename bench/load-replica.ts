// One replica in its own process, for `load.ts`: an empty program at the given address.
import { realClock, realRandom } from "../src/clock/real.ts";
import { deployment } from "../src/replica/index.ts";
import { createProgram } from "../src/replica/program.ts";
import { ReplicaServer } from "../src/replica/replica-server.ts";
import { createReplicaLog } from "../src/replica/stderr-log.ts";

const server = new ReplicaServer(
  await createProgram(
    deployment(() => null),
    {},
  ),
  {
    identity: { replicaId: "crowd", deployment: "crowd", revision: 1 },
    maxOngoingRequests: 1,
    token: undefined,
    log: createReplicaLog((line) => process.stderr.write(line), realClock),
    clock: realClock,
    random: realRandom,
  },
);
process.send?.(await server.listen(process.argv[2] ?? ""));
