import { readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type ApplyRequest, ControllerService, type WatchDeploymentsResponseSchema } from "../../gen/drover/v1/controller_service_pb.ts";
import { type DeploymentSpec, DeploymentState } from "../../gen/drover/v1/deployment_pb.ts";
import { realClock } from "../../src/clock/real.ts";
import { refusal } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log/log.ts";
import { importFlag } from "../../src/program/definition.ts";
import { programDigest } from "../../src/program/program-digest.ts";
import { deployment, run } from "../../src/replica/index.ts";
import { RpcServer } from "../../src/rpc/server.ts";
import { implement, type ServiceHandlers } from "../../src/rpc/service.ts";
import { BundleService } from "../kit/bundle-service.ts";
import { failure, temporaryFolder } from "./harness.ts";

// The process may have imported modules to deploy them before, as `drover run` does: then `run` does nothing.
beforeEach(() => {
  Reflect.deleteProperty(globalThis, importFlag);
});

const { HEALTHY, UPDATING, DEPLOY_FAILED } = DeploymentState;
type Status = [state: DeploymentState, observedGeneration: number, message?: string];

/** A controller that deploys at generation 2 and then reports these states. */
async function controllerReporting(...statuses: (Status | "deleted")[]) {
  const specs: DeploymentSpec[] = [];
  const requests: ApplyRequest[] = [];
  const handlers: Pick<ServiceHandlers<typeof ControllerService>, "apply" | "watchDeployments"> = {
    apply: (request) => {
      specs.push(...request.specs);
      requests.push(request);
      return { results: request.specs.map((spec) => ({ deployment: { spec, status: { generation: 2n } } })) };
    },
    async *watchDeployments({ names }): AsyncGenerator<MessageInitShape<typeof WatchDeploymentsResponseSchema>> {
      for (const [status, name] of statuses.flatMap((one) => names.map((name) => [one, name] as const))) {
        if (status === "deleted") yield { event: { case: "deploymentDeleted", value: name } };
        else {
          const [state, observed, message] = status;
          const value = { spec: { name }, status: { state, observedGeneration: BigInt(observed), message } };
          yield { event: { case: "deploymentUpdated", value } };
        }
      }
    },
  };
  const bundles = new BundleService();
  const others = Object.fromEntries(
    ControllerService.methods.map(({ localName }) => [localName, () => Promise.reject(refusal("INTERNAL", localName))]),
  );
  const implementation = implement(ControllerService, { ...others, ...bundles.handlers, ...handlers } as unknown as ServiceHandlers<
    typeof ControllerService
  >);
  const server = new RpcServer({ implementations: [implementation], log: silentLog, clock: realClock });
  const folder = await temporaryFolder();
  const path = join(folder, "program.ts");
  await writeFile(path, "export default 1;");
  onTestFinished(() => server.close(0));
  const api = await server.listen(`unix:${join(await temporaryFolder(), "api.sock")}`);
  return { api, specs, requests, bundles, path, module: pathToFileURL(path).href };
}

const readBytes = (file: string) => readFileSync(file);

class Echo {}

describe("run", () => {
  test("deploys the module with its folder, and ends when all is healthy at that generation", async () => {
    const reports: Status[] = [
      [HEALTHY, 1],
      [UPDATING, 2],
      [HEALTHY, 2],
      [DEPLOY_FAILED, 2],
    ];
    const { api, module, path, specs, bundles } = await controllerReporting(...reports);
    await mkdir(join(path, "../data"));
    for (const name of ["data/words.txt", "package.json", "package-lock.json"]) await writeFile(join(path, "..", name), name);
    const options = { numReplicas: 2, runtimeEnv: { workingDir: "data" } };
    expect(await run(deployment(Echo, options), { module, api })).toBe("echo");
    const bundle = specs[0]?.runtimeEnv?.bundle ?? "";
    const lockfile = "package-lock.json";
    expect(specs).toMatchObject([
      {
        ...{ name: "echo", version: "", numReplicas: 2, program: { kind: { case: "module", value: { path: "program.ts" } } } },
        runtimeEnv: { bundle, workingDir: "data", lockfile },
      },
    ]);
    expect(Object.keys(bundles.filesOf(bundle))).toContain("data/words.txt");
    await run(deployment(Echo, options), { module, api, lockfile: false, redeploy: true });
    expect(specs[1]?.runtimeEnv).toMatchObject({ bundle, lockfile: "" });
    await run(deployment(Echo, { runtimeEnv: { bundle, workingDir: "data" } }), { module, api });
    expect(specs[2]).toMatchObject({ program: { kind: { value: { path: "program.ts" } } }, runtimeEnv: { bundle, workingDir: "data" } });
    expect(bundles.uploads).toHaveLength(1);
  });

  test("without a bundle, deploys the path of the module, under a digest of it", async () => {
    const { api, module, path, specs } = await controllerReporting([HEALTHY, 2]);
    await run(deployment(Echo, { runtimeEnv: { workingDir: "data" } }), { module, api, bundle: false });
    expect(specs).toMatchObject([
      {
        ...{ name: "echo", program: { kind: { case: "module", value: { path } } } },
        version: programDigest([path], `{"workingDir":"${join(dirname(path), "data")}"}\0`, readBytes),
        runtimeEnv: { workingDir: join(dirname(path), "data") },
      },
    ]);
  });

  test("a folder that cannot be sent fails before anything is deployed, and names the option", async () => {
    const { api, module, path, requests } = await controllerReporting([HEALTHY, 2]);
    const outside = await failure(run(deployment(Echo, { runtimeEnv: { workingDir: "/etc" } }), { module, api }));
    expect(outside.message).toMatch(/\/etc .*bundle: false/);
    expect((await failure(run(deployment(Echo), { module, api, bundle: join(path, "none") }))).message).toContain(join(path, "none"));
    await symlink("nowhere", join(path, "../gone"));
    expect((await failure(run(deployment(Echo), { module, api }))).message).toMatch(/gone.*\.droverignore/);
    expect(requests).toEqual([]);
  });

  test("leaves a version that is given as it is", async () => {
    const { api, module, specs } = await controllerReporting([HEALTHY, 2]);
    await run(deployment(Echo).options({ version: "7" }), { module, api, exportName: "Named" });
    expect(specs).toMatchObject([{ version: "7", program: { kind: { value: { exportName: "Named" } } } }]);
  });

  test("deploys an application by one call, and waits for all of it", async () => {
    const { api, module, requests } = await controllerReporting([UPDATING, 2], [HEALTHY, 2]);
    const app = deployment(class Summarizer {}).bind({ echo: deployment(Echo).bind() });
    expect(await run(app, { module, api })).toBe("summarizer");
    const program = (exportName: string) => ({ program: { kind: { value: { exportName } } } });
    const specs = [
      { name: "summarizer", ...program("app#summarizer"), initArgs: { echo: { $deployment: "echo" } } },
      { name: "echo", ...program("app#echo") },
    ];
    expect(requests).toMatchObject([{ application: "summarizer", prune: true, specs }]);
    await run(app, { module, api, application: "mine", exportName: "other" });
    expect(requests[1]).toMatchObject({ application: "mine", specs: [program("other#summarizer"), program("other#echo")] });
    const failed = await controllerReporting([HEALTHY, 1], [DEPLOY_FAILED, 2, "no GPU"]);
    expect(await failure(run(app, failed))).toMatchObject({ code: "FAILED_PRECONDITION" });
  });

  test("fails with the cause when the replicas do not start, or the deployment goes", async () => {
    const failed = await controllerReporting([DEPLOY_FAILED, 1, "old"], [DEPLOY_FAILED, 2, "no GPU"]);
    expect(await failure(run(deployment(Echo), failed))).toMatchObject({ code: "FAILED_PRECONDITION", message: "no GPU" });
    const deleted = await controllerReporting([UPDATING, 2], "deleted");
    expect(await failure(run(deployment(Echo), deleted))).toMatchObject({ code: "ABORTED" });
    const ended = await controllerReporting([UPDATING, 2]);
    expect(await failure(run(deployment(Echo), ended))).toMatchObject({ code: "UNAVAILABLE" });
  });
});
