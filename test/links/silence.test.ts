// A replica that answers nothing gets no requests after a few seconds, and gets them again when it
// answers. The replica is a real server whose reports and answers the test holds back; the link's
// time is moved by hand.
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ReplicaService } from "../../gen/drover/replica/v1/replica_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/health/v1/health_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import { firstRecord } from "../../src/core/generations.ts";
import { listenMs, silentAfterMs } from "../../src/core/traffic/silence.ts";
import { ReplicaLinks } from "../../src/links/replica-links.ts";
import { silentLog } from "../../src/log/log.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { implement } from "../../src/rpc/service.ts";
import { HandClock } from "../kit/hand-clock.ts";
import { replicaRecord, spec } from "../kit/records.ts";
import { until } from "../kit/until.ts";
import { temporaryFolder } from "../replica/harness.ts";

const replicaId = "app-r0";

/** A gate that what asks waits at while it is closed. */
class Gate {
  #open = true;
  #waiting: (() => void)[] = [];

  async pass(): Promise<void> {
    if (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#open = false;
  }

  open(): void {
    this.#open = true;
    for (const go of this.#waiting.splice(0)) go();
  }
}

/** A link to a replica that answers only while the gate is open. */
async function linked({ reports }: { readonly reports: boolean }) {
  const gate = new Gate();
  const ask = new Gate();
  const health = implement(Health, {
    check: async () => {
      await gate.pass();
      return { status: HealthCheckResponse_ServingStatus.SERVING };
    },
    list: () => ({}),
    async *watch() {},
  });
  const control = implement(ReplicaService, {
    getInfo: () => ({ replicaId, deployment: "app", revision: 1n, services: [] }),
    reconfigure: ({ configGeneration }) => ({ configGeneration }),
    async *watchLoad(_, { signal }) {
      while (!signal.aborted) {
        await gate.pass();
        yield {};
        ask.close();
        await ask.pass();
      }
    },
    drain: () => ({}),
  });
  const server = new RpcServer({ implementations: reports ? [health, control] : [health], log: silentLog, clock: realClock });
  const address = await server.listen(`unix:${join(await temporaryFolder(), "s")}`);
  const clock = new HandClock();
  const links = new ReplicaLinks({ wanted: () => undefined, epoch: () => undefined, given: () => 0, clock, log: silentLog });
  onTestFinished(async () => {
    gate.open();
    ask.open();
    const closed = links.close();
    await server.close(0);
    await closed;
  });
  const replica = { ...replicaRecord(replicaId, "app"), uid: "u", revision: 1, state: "RUNNING", address, sinceMs: 0 } as const;
  links.connect([{ replica, deployment: firstRecord({ ...spec, name: "app" }, "u", 0) }]);
  const passing = (holds: () => boolean, ms: number) =>
    until(() => {
      if (holds()) return true;
      clock.pass(ms);
      return false;
    });
  await passing(() => links.contact(replicaId).routable, 1);
  return {
    gate,
    contact: () => links.contact(replicaId),
    /** The time of so many looks passes. */
    listen: async (looks: number) => {
      for (let look = 0; look < looks; look++) {
        clock.pass(listenMs);
        await new Promise((done) => setImmediate(done));
      }
    },
    /** The replica makes its next report. */
    report: async () => {
      const beforeMs = links.contact(replicaId).load?.atMs ?? 0;
      clock.pass(1);
      ask.open();
      await until(() => (links.contact(replicaId).load?.atMs ?? 0) > beforeMs);
    },
    passing,
  };
}

const looks = silentAfterMs / listenMs;

test("a replica that reports its load gets requests as long as it does, and again when it does so again", async () => {
  const { gate, contact, listen, report } = await linked({ reports: true });
  for (let time = 0; time < 3; time++) {
    await listen(looks - 1);
    await report();
    expect(contact()).toMatchObject({ silent: false, routable: true });
  }
  gate.close();
  await listen(looks + 1);
  expect(contact()).toMatchObject({ answer: "ready", silent: true, routable: false });
  gate.open();
  await report();
  expect(contact()).toMatchObject({ answer: "ready", silent: false, routable: true });
});

test("any other replica is silent only while a health check waits for its answer", async () => {
  const { gate, contact, listen, passing } = await linked({ reports: false });
  await listen(5 * looks);
  expect(contact()).toMatchObject({ silent: false, routable: true });
  gate.close();
  await passing(() => contact().silent, listenMs);
  expect(contact()).toMatchObject({ routable: false });
  gate.open();
  await passing(() => contact().routable, listenMs);
  expect(contact()).toMatchObject({ answer: "ready", silent: false });
});
