// Goal: a gRPC client cannot tell whether the gateway stands between it and a server. Method: gRPC's
// own interop client runs its cases against gRPC's own interop server, directly and through the
// gateway; where there is no Go the tests are left out, and say so.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Channel } from "../../src/rpc/channel.ts";
import { readDescriptors } from "../../src/rpc/reflection.ts";
import { goProgram } from "../toolchains/go.ts";
import { Drover, fixturePath, run } from "./drover.ts";

const folder = fixturePath("official-suites");
const service = "grpc.testing.TestService";
/** The cases that pass, with the flags that one needs besides the address. */
const passing: Readonly<Record<string, readonly string[]>> = {
  empty_unary: [],
  large_unary: [],
  client_streaming: [],
  server_streaming: [],
  ping_pong: [],
  empty_stream: [],
  timeout_on_sleeping_server: [],
  cancel_after_begin: [],
  cancel_after_first_response: [],
  status_code_and_message: [],
  special_status_message: [],
  custom_metadata: [],
  unimplemented_method: [],
  // The gateway answers NOT_FOUND when no deployment has the service: the deployment must be named.
  unimplemented_service: ["--additional_metadata", "drover-deployment:interop"],
  rpc_soak: [],
  channel_soak: [],
  orca_per_rpc: ["--service_config_json", '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'],
};
/** The cases that fail, directly as through the gateway. */
const failing = {
  pick_first_unary: "the server of grpc-go does not name itself in its answers",
};
/** The cases that are not run: `orca_oob` and those that need credentials. */
const leftOut = {
  orca_oob: "a server reports every 30 s at most, unless it is inside grpc-go, and the client waits 30 s for two reports",
  compute_engine_creds: "needs Google's cloud",
  service_account_creds: "needs Google's cloud",
  jwt_token_creds: "needs Google's cloud",
  per_rpc_creds: "needs Google's cloud",
  oauth2_auth_token: "needs Google's cloud",
  google_default_credentials: "needs Google's cloud",
  compute_engine_channel_credentials: "needs Google's cloud",
};
const server = await goProgram(folder);
const client = await goProgram(folder, "google.golang.org/grpc/interop/client");

describe.skipIf("missing" in server || "missing" in client)("gRPC's interop client and server", () => {
  const serverPath = "path" in server ? server.path : "";
  const clientPath = "path" in client ? client.path : "";
  let drover: Drover;
  let direct: ChildProcess;
  let directAddress = "";
  beforeAll(async () => {
    direct = spawn(serverPath, { env: { ...process.env, DROVER_LISTEN: "127.0.0.1:0" }, stdio: ["ignore", "pipe", "inherit"] });
    [directAddress] = (await once(createInterface({ input: direct.stdout! }), "line")) as [string];
    drover = await Drover.start();
    // Cases that sleep at the server hold their places for a while.
    expect(await drover.cli("run", "--name", "interop", "--max-ongoing-requests", "100", "--", serverPath)).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await drover?.close();
    direct?.kill();
  });

  const runCase = (address: string, name: string, flags: readonly string[] = []) => {
    const colon = address.lastIndexOf(":");
    const where = ["--server_host", address.slice(0, colon), "--server_port", address.slice(colon + 1)];
    return run(clientPath, [...where, "--test_case", name, ...flags]);
  };
  const codes = async (name: string, flags?: readonly string[]) => {
    const [directly, through] = [await runCase(directAddress, name, flags), await runCase(drover.addresses.gateway, name, flags)];
    return { directly: directly.code, through: through.code, text: directly.stderr + through.stderr };
  };

  test.each(Object.entries(passing))("%s passes directly and through the gateway", async (name, flags) => {
    const { text, ...ended } = await codes(name, flags);
    expect(ended, text).toEqual({ directly: 0, through: 0 });
  });

  test.each(Object.entries(failing))("%s fails directly and through the gateway, because %s", async (name) => {
    const { text, ...ended } = await codes(name);
    expect(ended, text).toEqual({ directly: 1, through: 1 });
  });

  test("no case of the client is forgotten", async () => {
    const { stderr } = await run(clientPath, ["-help"]);
    const [, list = ""] = /Valid options are:\n([\s\S]*?\(default)/.exec(stderr) ?? [];
    const named = [...list.matchAll(/^\s+(\w+) ?: /gm)].map(([, name]) => name);
    // Its help does not name the soaks.
    const known = Object.keys({ ...passing, ...failing, ...leftOut }).filter((name) => !name.endsWith("_soak"));
    expect(named.toSorted()).toEqual(known.toSorted());
  });

  test("the gateway's reflection lists and describes the service", async () => {
    const channel = new Channel(drover.addresses.gateway);
    try {
      const descriptors = await readDescriptors(channel, AbortSignal.timeout(10_000));
      expect(await descriptors.services()).toContain(service);
      expect(await descriptors.fileBySymbol(`${service}.EmptyCall`)).toBeDefined();
    } finally {
      channel.close();
    }
  });
});
