// The memory of idle processes.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Drover } from "../test/e2e/drover.ts";
import { childOf, memoryOf } from "./process-facts.ts";
import { figure, present, quick, type Section } from "./section.ts";

const idleMs = quick ? 500 : 15_000;
const mebibyte = 2 ** 20;

async function measure(): Promise<readonly Section[]> {
  const drover = await Drover.start();
  try {
    const controller = drover.addresses.pid;
    await sleep(idleMs);
    const rows = [rowOf("controller, no deployment", controller), rowOf("its private redis-server", childOf(controller, "redis-server"))];
    const program = { kind: { case: "module" as const, value: { path: join(import.meta.dirname, "programs/empty.mjs") } } };
    await drover.controller.deploy({ spec: { name: "empty", version: "1", program, resources: { numCpus: 0.1 } } });
    await drover.settled("empty");
    await sleep(idleMs);
    const [replica] = await drover.running("empty");
    if (replica === undefined) throw new Error("the replica does not run");
    rows.push(rowOf("replica, an empty program", Number(replica.pid)));
    return [{ title: "Memory", columns: ["idle process", "resident MiB", "of it its own MiB"], rows, notes }];
  } finally {
    await drover.close();
  }
}

const notes = [
  `After ${idleMs / 1_000} s with nothing to do. Its own is the memory that no file backs; the rest, mostly Node's program file, is in memory once for all processes.`,
];

function rowOf(what: string, pid: number): string[] {
  const { resident, own } = memoryOf(pid);
  return [what, figure(resident / mebibyte), figure(own / mebibyte)];
}

await present(measure);
