import { expect, test } from "vitest";
import { judgeServer } from "../../src/store/requirements.ts";

const sound = {
  redis_version: "7.2.4",
  maxmemory_policy: "noeviction",
  role: "master",
  aof_enabled: "1",
};
const info = (facts: Readonly<Record<string, string>>) =>
  `# Server\r\n${Object.entries(facts)
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join("")}`;

test("a sound server is accepted in silence", () => {
  expect(judgeServer(info(sound))).toEqual({ refusals: [], warnings: [] });
});

test.each(["6.2.14", "5.0.0", "0.1"])("Redis %s is too old", (redis_version) => {
  expect(judgeServer(info({ ...sound, redis_version })).refusals).toEqual([expect.stringContaining(`Redis ${redis_version} is too old`)]);
});

test("newer major versions are accepted, also with two digits", () => {
  for (const redis_version of ["7.0.0", "8.2.1", "10.0.0"]) expect(judgeServer(info({ ...sound, redis_version })).refusals).toEqual([]);
});

test("a server that does not report its version is refused", () => {
  expect(judgeServer("").refusals).toHaveLength(1);
});

test("a server that does not report its eviction policy is accepted", () => {
  expect(judgeServer(info({ redis_version: "7.0.15" }))).toEqual({ refusals: [], warnings: [] });
});

test("a replica that may be written to is not read-only", () => {
  expect(judgeServer(info({ ...sound, role: "slave", slave_read_only: "0" })).refusals).toEqual([]);
});

test("every reason is in one error", () => {
  const bad = {
    redis_version: "6.0.0",
    maxmemory_policy: "allkeys-lru",
    role: "slave",
    master_host: "h",
    master_port: "1",
    aof_enabled: "0",
  };
  const { refusals, warnings } = judgeServer(info(bad));
  expect(refusals).toHaveLength(3);
  expect(warnings).toEqual([expect.stringContaining("append-only")]);
});
