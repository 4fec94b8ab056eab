// The memory that a large config costs, over many changes of its deployment.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { Drover } from "../test/e2e/drover.ts";
import { childOf, memoryOf } from "./process-facts.ts";
import { figure, present, quick, type Section } from "./section.ts";

const configBytes = 900_000;
const changes = quick ? 20 : 1_000;
const configs = quick ? 3 : 40;
const idleMs = quick ? 500 : 25_000;
const mebibyte = 2 ** 20;

async function measure(): Promise<readonly Section[]> {
  const drover = await Drover.start();
  const socketPath = drover.addresses.redis.replace(/^unix:/, "");
  const redis = new Redis({ path: socketPath });
  const rows: string[][] = [];
  const note = async (what: string) => {
    await sleep(idleMs);
    const used = /^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1];
    const { own } = memoryOf(drover.addresses.pid);
    const ofRedis = memoryOf(childOf(drover.addresses.pid, "redis-server")).own;
    rows.push([what, figure(own / mebibyte), figure(Number(used) / mebibyte, 1), figure(ofRedis / mebibyte)]);
  };
  try {
    await note("nothing deployed");
    const program = { kind: { case: "module" as const, value: { path: join(import.meta.dirname, "programs/empty.mjs") } } };
    const deploy = (mark: number, n: number) => {
      // Many values, as in real configs: parsed, they take more memory than their text.
      const lines = Array.from({ length: configBytes / 100 }, (_, i) => ({
        kind: { case: "stringValue" as const, value: `${mark} ${i} `.padEnd(97, "w") },
      }));
      const userConfig = { kind: { case: "listValue" as const, value: { values: lines } } };
      const spec = { name: "large", version: "1", program, numReplicas: 0, userConfig, labels: { n: String(n) } };
      return drover.controller.deploy({ spec, requestId: `${mark} ${n}` });
    };
    await deploy(0, 0);
    await note(`a deployment with a config of ${figure(configBytes / 1_000)} KB`);
    for (let n = 1; n <= changes; n++) await deploy(0, n);
    await note(`after ${figure(changes)} changes of one label`);
    for (let mark = 1; mark <= configs; mark++) await deploy(mark, 0);
    await note(`after ${figure(configs)} other configs`);
    await drover.controller.deleteDeployment({ name: "large" });
    await note("after it was deleted");
    const columns = ["state", "controller, own MiB", "Redis, used MiB", "Redis, own MiB"];
    return [{ title: "A large config", columns, rows, notes }];
  } finally {
    redis.disconnect();
    await drover.close();
  }
}

const notes = [
  `A deployment without replicas. Each change is a \`Deploy\` with a \`request_id\`, one after the other. Measured after ${idleMs / 1_000} s with nothing to do; its own is the memory that no file backs.`,
];

await present(measure);
