import { describe, expect, test } from "vitest";
import { programArgv, replicaArgv, replicaEnv } from "../../../src/engine/local/replica-env.ts";

const machine = (gpuCount: number) => ({ cpuMilli: 4000, gpuCount, memoryBytes: 0 });
const assignment = (more: Partial<Parameters<typeof replicaEnv>[0]> = {}) => ({
  replicaId: "echo-1",
  deployment: "echo",
  revision: 2,
  envVars: {},
  initArgs: "{}",
  maxOngoingRequests: 7,
  messageBytesMax: 65_536,
  resources: { cpuMilli: 1000, gpuMilli: 0, memoryBytes: 0 },
  gpuIndexes: [],
  address: "unix:/s",
  token: "t",
  ...more,
});
const cpus = (cpuMilli: number) => assignment({ resources: { cpuMilli, gpuMilli: 0, memoryBytes: 0 } });

describe("the environment of a replica", () => {
  test("has the contract's variables, which neither the spec nor the controller can change", () => {
    const env = replicaEnv(assignment({ envVars: { DROVER_TOKEN: "forged" } }), { DROVER_LISTEN: "mine", DROVER_DATA: "/d" }, machine(0));
    expect(env).toEqual({
      DROVER_LISTEN: "unix:/s",
      DROVER_REPLICA_ID: "echo-1",
      DROVER_DEPLOYMENT: "echo",
      DROVER_REVISION: "2",
      DROVER_INIT_ARGS: "{}",
      DROVER_MAX_ONGOING_REQUESTS: "7",
      DROVER_MAX_MESSAGE_BYTES: "65536",
      DROVER_TOKEN: "t",
      OMP_NUM_THREADS: "1",
    });
  });

  test("has the addresses of the controller that starts it, which the spec cannot change", () => {
    const controller = { api: "127.0.0.1:4711", gateway: "127.0.0.1:4712" };
    const env = replicaEnv(assignment({ controller, envVars: { DROVER_API: "forged:1" } }), { DROVER_GATEWAY: "forged:2" }, machine(0));
    expect(env).toMatchObject({ DROVER_API: controller.api, DROVER_GATEWAY: controller.gateway });
  });

  test("has none of what the controller's shell says of itself, but what the spec says under those names", () => {
    const ambient = { PWD: "/a", OLDPWD: "/b", SHLVL: "1", _: "/usr/bin/node", PS1: "$ " };
    const env = replicaEnv(assignment({ envVars: { OLDPWD: "/c" } }), ambient, machine(0));
    expect(env).toMatchObject({ OLDPWD: "/c", PS1: "$ " });
    for (const name of ["PWD", "SHLVL", "_"]) expect(env).not.toHaveProperty(name);
  });

  test("has the spec's variables before the controller's", () => {
    expect(replicaEnv(assignment({ envVars: { A: "spec" } }), { A: "ambient", B: "ambient", C: undefined }, machine(0))).toMatchObject({
      A: "spec",
      B: "ambient",
    });
  });

  test.each([
    [0, "1"],
    [500, "1"],
    [1000, "1"],
    [2999, "2"],
    [8000, "8"],
  ])("OMP_NUM_THREADS for %i thousandths of a CPU is %s", (cpuMilli, threads) => {
    expect(replicaEnv(cpus(cpuMilli), {}, machine(0)).OMP_NUM_THREADS).toBe(threads);
  });

  test("OMP_NUM_THREADS is the spec's, else the controller's", () => {
    const ambient = { OMP_NUM_THREADS: "16" };
    expect(replicaEnv(cpus(2000), ambient, machine(0)).OMP_NUM_THREADS).toBe("16");
    expect(replicaEnv(assignment({ envVars: { OMP_NUM_THREADS: "3" } }), ambient, machine(0)).OMP_NUM_THREADS).toBe("3");
  });

  test("CUDA_VISIBLE_DEVICES names the GPUs it holds and no other, on a machine that has any", () => {
    const visible = (gpuIndexes: number[], gpuCount: number) =>
      replicaEnv(assignment({ gpuIndexes }), { CUDA_VISIBLE_DEVICES: "0,1" }, machine(gpuCount)).CUDA_VISIBLE_DEVICES;
    expect(visible([1, 3], 4)).toBe("1,3");
    expect(visible([], 4)).toBe("");
    expect(visible([], 0)).toBe("0,1");
    const ours = { CUDA_VISIBLE_DEVICES: "GPU-7a, 5" };
    expect(replicaEnv(assignment({ gpuIndexes: [0, 1] }), ours, machine(2)).CUDA_VISIBLE_DEVICES).toBe("GPU-7a,5");
    expect(replicaEnv(assignment(), {}, machine(0))).not.toHaveProperty("CUDA_VISIBLE_DEVICES");
  });
});

test("{listen} is replaced wherever it stands in the command line", () => {
  expect(replicaArgv({ argv: ["{listen}", "--at={listen},{listen}", "{other}"], address: "unix:/s" })).toEqual([
    "unix:/s",
    "--at=unix:/s,unix:/s",
    "{other}",
  ]);
});

describe("the command line of a program", () => {
  const module = (path: string) => ({ kind: "module", path, exportName: "default" }) as const;
  const host = ["node", "host.js"];

  test("a command is its own", () => {
    expect(programArgv({ kind: "command", argv: ["app", "--x"] }, host, 2 ** 30)).toEqual(["app", "--x"]);
  });

  test("a module is run by the host, with 3/4 of its memory as heap where that is bound", () => {
    expect(programArgv(module("/a.ts"), host, 0)).toEqual(["node", "host.js", "/a.ts", "default"]);
    expect(programArgv(module("/a.ts"), host, 2 ** 30)).toEqual(["node", "--max-old-space-size=768", "host.js", "/a.ts", "default"]);
  });

  test("a Python module is run by the Python SDK", () => {
    expect(programArgv(module("/a.py"), host, 2 ** 30)).toEqual(["python3", "-m", "drover.replica", "/a.py", "default"]);
  });
});
