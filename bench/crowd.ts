// Many replicas in one process, started by its parent's orders; tells when all of them serve by a config.
import { realClock, realRandom } from "../src/clock/real.ts";
import type { Json } from "../src/core/json.ts";
import type { Assignment } from "../src/engine/engine.ts";
import { deployment } from "../src/replica/index.ts";
import { createProgram } from "../src/replica/program.ts";
import { ReplicaServer } from "../src/replica/replica-server.ts";
import { createReplicaLog } from "../src/replica/stderr-log.ts";
import { type Served, systemMs } from "./crowded-engine.ts";

let replicas = 0;
/** How many replicas serve by each config. */
const serving = new Map<string, number>();

/** Its `reconfigure` does nothing but be counted. */
class Empty {
  call(): null {
    return null;
  }

  reconfigure(config: Json): void {
    const key = JSON.stringify(config);
    const count = (serving.get(key) ?? 0) + 1;
    serving.set(key, count);
    if (count === replicas) process.send?.({ config: key, atMs: systemMs() } satisfies Served);
  }
}

process.on("message", (assignment: Assignment) => {
  replicas += 1;
  void serve(assignment);
});

async function serve({ replicaId, deployment: name, revision, maxOngoingRequests, address, token }: Assignment): Promise<void> {
  const server = new ReplicaServer(await createProgram(deployment(Empty), {}), {
    identity: { replicaId, deployment: name, revision },
    maxOngoingRequests,
    token,
    log: createReplicaLog((line) => process.stderr.write(line), realClock),
    clock: realClock,
    random: realRandom,
  });
  await server.listen(address);
}
