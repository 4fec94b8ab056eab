// A program in Python that deploys itself.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromJson } from "@bufbuild/protobuf";
import { describe, expect, onTestFinished } from "vitest";
import { type ApplyRequest, ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { type DeploymentSpec, DeploymentSpecSchema, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { type InvokeResponse, InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { fillWithoutBundle } from "../../src/bundle/fill-without-bundle.ts";
import { realClock } from "../../src/clock/real.ts";
import { refusal } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log/log.ts";
import { bundleDigest } from "../../src/program/bundle-manifest.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { implement, type ServiceHandlers } from "../../src/rpc/service.ts";
import { temporaryFolder } from "../replica/harness.ts";
import { runIn, pythonTest as test } from "./python-harness.ts";

const { HEALTHY, UPDATING, DEPLOY_FAILED } = DeploymentState;

function eventOf(status: [DeploymentState, number, string?] | "deleted", name: string) {
  if (status === "deleted") return { case: "deploymentDeleted" as const, value: name };
  const [state, observed, message = ""] = status;
  const value = { spec: { name }, status: { state, observedGeneration: BigInt(observed), message } };
  return { case: "deploymentUpdated" as const, value };
}

/**
 * A controller that has all files, deploys at generation 2 and then reports these states, and a
 * gateway that echoes its requests. At `ends` the watch ends; the next one goes on after it.
 */
async function controllerReporting(...statuses: ([DeploymentState, number, string?] | "deleted" | "ends")[]) {
  const specs: DeploymentSpec[] = [];
  const requests: ApplyRequest[] = [];
  const left = [...statuses];
  const handlers: Partial<ServiceHandlers<typeof ControllerService>> = {
    getCluster: () => ({ bundleBounds: { maxFiles: 10, maxFileBytes: 1_000n, maxBundleBytes: 10_000n } }),
    findMissingFiles: () => ({ sha256: [] }),
    createBundle: ({ files }) => ({ bundle: bundleDigest(files.map((file) => ({ ...file, sizeBytes: Number(file.size) }))) }),
    apply: (request) => {
      specs.push(...request.specs);
      requests.push(request);
      return { results: request.specs.map(() => ({ deployment: { status: { generation: 2n } } })) };
    },
    async *watchDeployments({ names }) {
      for (let status = left.shift(); status !== undefined && status !== "ends"; status = left.shift()) {
        for (const name of names) yield { event: eventOf(status, name) };
      }
    },
  };
  const others = Object.fromEntries(
    ControllerService.methods.map(({ localName }) => [localName, () => Promise.reject(refusal("INTERNAL", localName))]),
  );
  const gateway = implement(InvokeService, {
    invoke: ({ deployment, method, input }) => {
      if (method === "missing") throw refusal("METHOD_NOT_FOUND", `no method of ${deployment}`);
      return { output: input as InvokeResponse["output"] };
    },
    async *invokeServerStream({ input }) {
      yield { output: input as InvokeResponse["output"] };
      yield { output: input as InvokeResponse["output"] };
    },
  });
  const controller = implement(ControllerService, { ...others, ...handlers } as unknown as ServiceHandlers<typeof ControllerService>);
  const server = new RpcServer({ implementations: [controller, gateway], log: silentLog, clock: realClock });
  onTestFinished(() => server.close(0));
  return { address: await server.listen(`unix:${join(await temporaryFolder(), "api.sock")}`), specs, requests };
}

const selfDeploying = (options = "") => `
  import drover
  @drover.deployment(num_replicas=2, runtime_env={"env_vars": {"B": "1", "A": "ü"}})
  class Echo: pass
  if __name__ == "__main__":
      try: print(drover.run(Echo, ${options}))
      except drover.StatusError as error: print(error)
`;

describe("run", () => {
  test("sends the file's folder and deploys it, and ends when all is healthy at that generation", async () => {
    const { address, specs } = await controllerReporting([HEALTHY, 1], [UPDATING, 2], [HEALTHY, 2], [DEPLOY_FAILED, 2]);
    const files = { "app.py": `    import neighbour\n${selfDeploying()}`, "neighbour.py": "colour = 'ü'" };
    const { stdout, stderr } = await runIn(files, "app", [], { DROVER_API: address });
    expect(stdout, stderr).toBe("echo\n");
    expect(stderr).toBe("");
    const [spec] = specs as [DeploymentSpec];
    expect(spec).toMatchObject({
      ...{ name: "echo", version: "", numReplicas: 2 },
      program: { kind: { case: "module", value: { path: "app.py", exportName: "Echo" } } },
      runtimeEnv: { workingDir: "", lockfile: "", envVars: { A: "ü", B: "1" }, bundle: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
    });
  });

  test("without a bundle deploys the path of the file, under the digest that the command line gives it", async () => {
    const { address, specs, requests } = await controllerReporting([HEALTHY, 2]);
    const files = { "app.py": `    import neighbour\n${selfDeploying("bundle=False, redeploy=True")}`, "neighbour.py": "colour = 'ü'" };
    const { folder, stdout, stderr } = await runIn(files, "app", [], { DROVER_API: address });
    expect(stdout, stderr).toBe("echo\n");
    const [spec] = specs as [DeploymentSpec];
    const module = { path: join(folder, "app.py"), exportName: "Echo" };
    expect(spec).toMatchObject({
      ...{ name: "echo", numReplicas: 2 },
      program: { kind: { case: "module", value: module } },
      runtimeEnv: { workingDir: folder, envVars: { A: "ü", B: "1" }, bundle: "" },
    });
    const asGiven = fromJson(DeploymentSpecSchema, {
      ...{ name: "echo", num_replicas: 2, program: { module } },
      runtime_env: { working_dir: folder, env_vars: { B: "1", A: "ü" } },
    });
    fillWithoutBundle(asGiven, [join(folder, "app.py"), join(folder, "neighbour.py")]);
    expect(readFileSync(join(folder, "app.py"), "utf8")).toContain("class Echo");
    expect(spec.version).toBe(asGiven.version);
    expect(requests).toMatchObject([{ redeploy: true }]);
  });

  test("deploys an application, with or without a name in the file, by one call", async () => {
    const source = `
      import drover, models
      @drover.deployment
      class Echo:
          def __init__(self, other): pass
      app = Echo.bind(models.Other.bind())
      if __name__ == "__main__":
          print(drover.run(app, application="mine"))
          print(drover.run(Echo.bind(1)))
          try: drover.run(Echo.bind(models.Other.bind()))
          except ValueError as error: print(error)
    `;
    const { address, requests } = await controllerReporting([UPDATING, 2], [HEALTHY, 2], "ends", [HEALTHY, 2]);
    const files = { "app.py": source, "models.py": "import drover\n@drover.deployment\nclass Other: pass" };
    const { stdout, stderr } = await runIn(files, "app", [], { DROVER_API: address });
    expect(stdout, stderr).toMatch(/^echo\necho\n.*no replica can find Other/);
    const module = (exportName: string) => ({ program: { kind: { value: { exportName } } } });
    expect(requests).toMatchObject([
      {
        application: "mine",
        prune: true,
        specs: [
          { name: "echo", ...module("Echo") },
          { name: "other", ...module("app#other") },
        ],
      },
      { application: "echo", prune: true, specs: [{ name: "echo", initArgs: { other: 1 } }] },
    ]);
  });

  test("fails with the cause when the replicas do not start, or the deployment goes, or there is no controller", async () => {
    const tell = async (...statuses: Parameters<typeof controllerReporting>) => {
      const { address } = await controllerReporting(...statuses);
      return (await runIn({ "app.py": selfDeploying() }, "app", [], { DROVER_API: address })).stdout;
    };
    const nobody = runIn({ "app.py": selfDeploying() }, "app", [], { DROVER_API: "unix:/no/such/api.sock" });
    await Promise.all([
      expect(tell([DEPLOY_FAILED, 1, "old"], [DEPLOY_FAILED, 2, "no GPU"])).resolves.toMatch(/^FAILED_PRECONDITION: .*no GPU$/m),
      expect(tell([UPDATING, 2], "deleted")).resolves.toBe('ABORTED: deployment "echo" was deleted\n'),
      expect(tell([UPDATING, 2])).resolves.toMatch(/^UNAVAILABLE: /),
      expect(tell([UPDATING, 2], "ends", [UPDATING, 2], "ends", [HEALTHY, 2])).resolves.toBe("echo\n"),
      expect(nobody).resolves.toMatchObject({ stdout: expect.stringMatching(/^UNAVAILABLE: /) }),
    ]);
  });
});

test("a client calls methods through the gateway, and fails with a StatusError", async () => {
  const { address } = await controllerReporting();
  const check = `
    import drover
    with drover.get("echo") as echo:
        assert echo.invoke("m", {"a": [1, 2.5, None]}) == {"a": [1, 2.5, None]}
        assert echo.invoke("m", b"bytes") == b"bytes"
        assert echo.invoke() is None
        assert list(echo.stream("m", 1)) == [1, 1]
        try: echo.invoke("missing")
        except drover.StatusError as error: print(error.code, error.reason, error)
  `;
  const { stdout, stderr } = await runIn({ "check.py": check }, "check", [], { DROVER_GATEWAY: address });
  expect(stdout, stderr).toBe("NOT_FOUND METHOD_NOT_FOUND NOT_FOUND: no method of echo\n");
});
