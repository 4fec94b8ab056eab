// `drover get NAME | drover deploy -`, over the real API and a store in memory.
import type { JsonValue } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { Effect } from "../../gen/drover/v1/controller_service_pb.ts";
import { type OpenedApi, openApi } from "../api/opened-api.ts";
import { folder, type Run, type RunOptions, serve } from "./harness.ts";

/** The CLI against the real API. `effects` are those of what it applied. */
async function opened(): Promise<{
  readonly api: OpenedApi;
  readonly effects: Effect[];
  readonly run: (argv: readonly string[], options?: RunOptions) => Promise<Run>;
}> {
  const api = await openApi();
  onTestFinished(() => api.close());
  const effects: Effect[] = [];
  const run = await serve({
    getDeployment: (request) => api.controller.getDeployment(request),
    listDeployments: (request) => api.controller.listDeployments(request),
    apply: async (request) => {
      const answer = await api.controller.apply(request);
      effects.push(...answer.results.map(({ effect }) => effect));
      return answer;
    },
  });
  return { api, effects, run };
}

const everything = `name: all
application: shop
version: "0123"
program: { command: { argv: [./serve, --listen, "{listen}"] } }
init_args: { "<<": { a: 1 }, "yes": no, "1": "0x10", deep: [[{ e: 1e21, text: " a: b\\n# c\\n" }]], "": null }
runtime_env: { env_vars: { A: "", B: "null", _1: "~" }, npm: ["is-odd@3.0.1"] }
autoscaling_config:
  min_replicas: 0
  max_replicas: 7
  target_ongoing_requests: 1.5
  upscale_delay: 500ms
  aggregation: MAX
  burst: { window: 3s, threshold: 1.25 }
  schedules: [{ cron: "0 8 * * 1-5", time_zone: Europe/Berlin, min_replicas: 2, duration: 10h }]
resources: { num_cpus: 0.125, memory_bytes: 1073741824, custom: { tpu: 1 } }
max_ongoing_requests: 9
max_queued_requests: 0
user_config: null
health_check: { period: 1.5s }
graceful_shutdown_timeout: 0s
request_timeout: 90s
labels: { team: "on", "a.b/c": "1e3" }
rollout: { max_surge_percent: 10, max_unavailable_percent: 50, strategy: AVAILABILITY, auto_rollback: false, min_ready_time: 1s }
`;

test("what get prints deploys as what is there: nothing changes, whatever the fields", async () => {
  const { api, effects, run } = await opened();
  const cwd = await folder({ "all.yaml": everything });
  expect(await run(["deploy", "all.yaml", "--no-wait"], { cwd })).toMatchObject({ exitCode: 0, stderr: "" });
  // By the API: without a folder to work in, and with a path that is not absolute.
  const program = { kind: { case: "module" as const, value: { path: "app.ts" } } };
  await api.controller.deploy({ spec: { name: "bare", version: "1", program } });
  await api.controller.deploy({ spec: { name: "tool", version: "1", program: { kind: { case: "command", value: { argv: ["tool"] } } } } });
  const position = await api.store.position();
  effects.length = 0;
  for (const name of ["all", "bare", "tool"])
    for (const format of ["yaml", "json"]) {
      const printed = await run(["get", name, "-o", format]);
      expect(await run(["deploy", "-", "--no-wait"], { stdin: printed.stdout, cwd })).toMatchObject({ exitCode: 0, stderr: "" });
    }
  const { stdout } = await run(["list", "-o", "json"]);
  expect(await run(["deploy", "-", "--no-wait"], { stdin: stdout, cwd })).toMatchObject({ exitCode: 0, stderr: "" });
  expect(effects).toEqual(Array.from({ length: 9 }, () => Effect.NONE));
  expect(await api.store.position()).toBe(position);
});

test("a field that is edited is the only one that changes", async () => {
  const { effects, run } = await opened();
  const cwd = await folder({ "all.yaml": everything });
  await run(["deploy", "all.yaml", "--no-wait"], { cwd });
  const { stdout } = await run(["get", "all"]);
  const planned = await run(["deploy", "-", "--dry-run"], { stdin: stdout.replace("max_replicas: 7", "max_replicas: 8"), cwd });
  expect(planned.stdout).toContain("autoscaling_config.max_replicas  (LIVE)\n    - 7\n    + 8\n");
  expect(planned.stdout.match(/^ {2}\S/gm)).toHaveLength(1);
  expect(effects.at(-1)).toBe(Effect.LIVE);
  const wrong = await run(["deploy", "-", "--dry-run"], { stdin: stdout.replace("max_replicas:", "max_replica:"), cwd });
  expect(wrong).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/-:\d+: spec\.autoscaling_config\.max_replica: .*max_replicas/),
  });
});

test("any JSON comes back as it was", async () => {
  const { api, effects, run } = await opened();
  const program = { kind: { case: "command" as const, value: { argv: ["app"] } } };
  const name = fc.oneof(fc.string(), fc.constantFrom("<<", "__proto__", "~", "null", "0", "- a", "a: b", "#", "&a", "*a"));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      fc.oneof(
        name,
        fc.boolean(),
        fc.constant(null),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true, max: 1e15, min: -1e15 }),
      ),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(name, tie("tree"), { maxKeys: 3, noNullPrototype: true }),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(tree, async (json) => {
      await api.controller.deploy({ spec: { name: "a", version: "1", program, initArgs: { json: json as JsonValue } } });
      const { stdout } = await run(["get", "a"]);
      effects.length = 0;
      expect(await run(["deploy", "-", "--no-wait"], { stdin: stdout })).toMatchObject({ exitCode: 0, stderr: "" });
      expect(effects).toEqual([Effect.NONE]);
    }),
    { numRuns: 30 },
  );
});
