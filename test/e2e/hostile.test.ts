// Goal: nothing that a program or a caller sends, and no crowd of connections, ends or holds up the
// controller. Method: the program that ships, and peers that do what they should not.
import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { frame, RawCaller } from "../gateway/harness.ts";
import { Drover, fixturePath, until } from "./drover.ts";

async function dial(address: string): Promise<Socket> {
  const colon = address.lastIndexOf(":");
  const socket = connectSocket({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
  socket.on("error", () => {});
  await Promise.race([once(socket, "connect"), once(socket, "close")]);
  return socket;
}

const uncaught = async (drover: Drover) => {
  const text = await (await fetch(`http://${drover.addresses.http}/metrics`)).text();
  return /^drover_uncaught_errors_total (\d+)$/m.exec(text)?.[1];
};

describe("a program whose answers no library would send", () => {
  test("its callers get them as they are, and nothing was thrown", async () => {
    const drover = await Drover.start();
    const argv = [process.execPath, fixturePath("hostile.ts")];
    await drover.deploy("hostile", { program: { kind: { case: "command", value: { argv } } } });
    await using caller = new RawCaller(drover.addresses.gateway);
    const names = ["x-tag", "etag", "location", "retry-after", "authorization", "date", "constructor"];
    for (const where of ["header", "trailer"]) {
      for (const name of names) {
        const got = await caller.call("/demo.Demo/Call", { "drover-deployment": "hostile" }, frame(`${name} ${where}`));
        expect([name, where, got.status]).toEqual([name, where, 0]);
        const raw = where === "header" ? got.rawHeaders : got.rawTrailers;
        const values = raw.flatMap((one, index) => (index % 2 === 0 && one === name ? [raw[index + 1]] : []));
        expect([name, where, values]).toEqual([name, where, ["1", "2"]]);
      }
    }
    expect(await uncaught(drover)).toBe("0");
    await drover.close();
  });
});

test("connections that say nothing do not keep a controller from ending", async () => {
  const drover = await Drover.start();
  const silent = await Promise.all([drover.addresses.api, drover.addresses.gateway, drover.addresses.http].map(dial));
  expect((await drover.end("SIGTERM")).code).toBe(0);
  for (const socket of silent) socket.destroy();
  await drover.close();
});

test("a crowd of idle connections leaves health and requests alone, and is said once", async () => {
  const drover = await Drover.start([], undefined, ["/bin/sh", "-c", 'ulimit -n 256; exec "$0" "$@"']);
  await drover.deploy("app");
  const crowd: Socket[] = [];
  for (let index = 0; index < 300; index++) crowd.push(await dial(drover.addresses.gateway));
  for (let index = 0; index < 100; index++) crowd.push(await dial(drover.addresses.api));
  for (let round = 0; round < 5; round++) {
    await until("health answers", async () => (await fetch(`http://${drover.addresses.http}/healthz`)).status === 200);
    await drover.invoke("app", "echo", { round });
    await using caller = new RawCaller(drover.addresses.gateway);
    expect((await caller.call("/grpc.health.v1.Health/Check", {}, frame(""))).status).toBe(0);
  }
  expect((await drover.cli("list")).code).toBe(0);
  expect(await uncaught(drover)).toBe("0");
  for (const socket of crowd) socket.destroy();
  const { stderr } = await drover.end();
  const said = stderr.split("\n").filter((line) => line.includes('"connectionsMax"'));
  expect(said.map((line) => (JSON.parse(line) as { port: string }).port).sort()).toEqual(["api", "gateway"]);
  await drover.close();
});
