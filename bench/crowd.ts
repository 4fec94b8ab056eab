// Many replicas in one process. The parent process sends orders; this process reports when all its
// replicas serve with a config.
import { realClock, realRandom } from "../src/clock/real.ts";
import type { Json } from "../src/core/json.ts";
import { deployment } from "../src/replica/index.ts";
import { createProgram } from "../src/replica/program.ts";
import { ReplicaServer } from "../src/replica/replica-server.ts";
import { createReplicaLog } from "../src/replica/stderr-log.ts";
import { type News, type Order, systemMs } from "./crowded-engine.ts";

type StartOrder = Extract<Order, { kind: "start" }>;

let replicas = 0;
const servers = new Map<string, Promise<ReplicaServer>>();
/** How many replicas serve with each config. */
const serving = new Map<string, number>();

/** An empty program; its calls of `reconfigure` are counted. */
class Empty {
  call(): null {
    return null;
  }

  reconfigure(config: Json): void {
    const key = JSON.stringify(config);
    const count = (serving.get(key) ?? 0) + 1;
    serving.set(key, count);
    if (count === replicas) report({ kind: "served", config: key, atMs: systemMs() });
  }
}

process.on("message", (order: Order) => {
  if (order.kind === "start") start(order);
  else void stop(order.replicaId);
});

function start({ assignment: { replicaId, deployment: name, revision, maxOngoingRequests, token }, address }: StartOrder): void {
  replicas += 1;
  const serve = async () => {
    const server = new ReplicaServer(await createProgram(deployment(Empty), {}), {
      identity: { replicaId, deployment: name, revision },
      maxOngoingRequests,
      token,
      log: createReplicaLog((line) => process.stderr.write(line), realClock),
      clock: realClock,
      random: realRandom,
    });
    await server.listen(address);
    return server;
  };
  servers.set(replicaId, serve());
}

async function stop(replicaId: string): Promise<void> {
  const server = servers.get(replicaId);
  if (!servers.delete(replicaId)) return;
  replicas -= 1;
  await (await server)?.close(0);
  report({ kind: "ended", replicaId });
}

function report(news: News): void {
  process.send?.(news);
}
