// Goal: the gateway's port keeps HTTP/2 as well as node:http2 alone does. Method: h2spec runs all its
// cases against both, and each fails exactly the cases that are named here; where there is no Go the
// test is left out, and says so.
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { goProgram } from "../toolchains/go.ts";
import { Drover, fixturePath, run } from "./drover.ts";

const casesMany = 145;
/** What node:http2 does not do, and so the gateway does not: sections of RFC 9113, and numbers of h2spec's cases there. */
const failing: Readonly<Record<string, string>> = {
  "http2/5.1/8": "DATA after RST_STREAM is ignored",
  "http2/5.1/9": "HEADERS after RST_STREAM are ignored",
  "http2/5.1/11": "DATA on a closed stream is ignored",
  "http2/5.1/12": "HEADERS on a closed stream are ignored",
  "http2/5.1.1/2": "a stream id smaller than the one before is ignored",
  "http2/5.3.1/2": "PRIORITY is ignored, and so its stream may depend on itself",
  "http2/6.3/1": "PRIORITY is ignored, and so it may be of stream 0",
  "http2/6.7/2": "an answer to a PING that was never sent closes the connection",
  "http2/6.9.1/3": "a window that grows too large closes the connection, and not the stream alone",
};
/** How long h2spec waits for an answer, seconds: of all cases at first, and of one alone. */
const waits = { all: "2", alone: "10" };
/** How often a case whose result was not expected is tried alone, so that a busy machine fails no test. */
const triesMax = 3;
const h2spec = await goProgram(fixturePath("official-suites"), "github.com/summerwind/h2spec/cmd/h2spec");

describe.skipIf("missing" in h2spec)("h2spec", () => {
  const path = "path" in h2spec ? h2spec.path : "";

  /** Whether each case fails, by section and number. */
  const resultsOf = async (port: number, waitSeconds: string, only: readonly string[] = []): Promise<ReadonlyMap<string, boolean>> => {
    const folder = await mkdtemp(join(tmpdir(), "drover-h2spec-"));
    try {
      const report = join(folder, "report.xml");
      await run(path, [...only, "--port", String(port), "--timeout", waitSeconds, "--junit-report", report]);
      const results = new Map<string, boolean>();
      const numbers = new Map<string, number>();
      for (const [, section = "", end = ""] of (await readFile(report, "latin1")).matchAll(
        /<testcase package="([^"]*)" [^>]*>(.*?)<\/testcase>/gs,
      )) {
        const number = (numbers.get(section) ?? 0) + 1;
        numbers.set(section, number);
        results.set(`${section}/${number}`, end.includes("<error>") || end.includes("<failure>"));
      }
      return results;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  const failuresAt = async (port: number): Promise<readonly string[]> => {
    const results = new Map(await resultsOf(port, waits.all));
    expect(results.size).toBe(casesMany);
    const unexpected = () => [...results].filter(([name, failed]) => failed !== name in failing).map(([name]) => name);
    for (let tries = 0; tries < triesMax; tries++) {
      for (const name of unexpected()) {
        const alone = [...(await resultsOf(port, waits.alone, [name])).values()];
        expect(alone, name).toHaveLength(1);
        results.set(name, alone[0] === true);
      }
    }
    return [...results].filter(([, failed]) => failed).map(([name]) => name);
  };

  test("node:http2 alone fails the named cases, and no other", async () => {
    const server = createServer();
    server.on("sessionError", () => {});
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      stream.resume().once("end", () => {
        if (!stream.destroyed) stream.respond({ ":status": 200 });
        stream.end("hello");
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
      expect(await failuresAt((server.address() as AddressInfo).port)).toEqual(Object.keys(failing));
    } finally {
      server.close();
    }
  });

  test("the gateway fails the named cases, and no other", async () => {
    const drover = await Drover.start();
    try {
      const { gateway } = drover.addresses;
      expect(await failuresAt(Number(gateway.slice(gateway.lastIndexOf(":") + 1)))).toEqual(Object.keys(failing));
    } finally {
      await drover.close();
    }
  });
});
