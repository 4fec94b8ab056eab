import { toJson } from "@bufbuild/protobuf";
import { timestampFromMs, ValueSchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import {
  Effect,
  type ReconfiguredReplica,
  ReconfigureFailureSchema,
  ReconfigureOutcome,
} from "../../gen/drover/v1/controller_service_pb.ts";
import { ConditionType } from "../../gen/drover/v1/facts_pb.ts";
import { authorText, processAuthor } from "../../src/cli/author.ts";
import { refusal } from "../../src/core/errors.ts";
import { packDetail } from "../../src/rpc/error-detail.ts";
import { type ControllerHandlers, conditionsOf, deploymentOf, folder, nowMs, serve } from "./harness.ts";

type Reconfigure = NonNullable<ControllerHandlers["reconfigure"]>;

const served = (outcome: ReconfigureOutcome): Pick<ReconfiguredReplica, "replicaId" | "outcome" | "message">[] =>
  ["a-7hq2m", "a-x7k2p"].map((replicaId) => ({ replicaId, outcome, message: "" }));

/** Accepts every config as generation 3 and remembers what was asked, with the author. */
function accepting(asked: unknown[] = []): Reconfigure {
  return ({ name, userConfig, toGeneration, validateOnly }, { metadata }) => {
    asked.push({
      name,
      config: userConfig && toJson(ValueSchema, userConfig),
      to: toGeneration,
      dry: validateOnly,
      by: metadata.get("drover-author"),
    });
    const outcome = validateOnly ? ReconfigureOutcome.ACCEPTED : ReconfigureOutcome.APPLIED;
    return { deployment: deploymentOf(name, { configGeneration: 3n }), configGeneration: 3n, replicas: served(outcome) };
  };
}

const refusing = (): never => {
  throw refusal(
    "RECONFIGURE_REFUSED",
    "1 of 2 replicas refused it, and all keep the previous config: a-x7k2p: \u001b[31mtoo high\u001b[0m",
    {
      metadata: { deployment: "a" },
      details: [
        packDetail(ReconfigureFailureSchema, {
          replicas: [
            { replicaId: "a-7hq2m", outcome: ReconfigureOutcome.ACCEPTED },
            { replicaId: "a-x7k2p", outcome: ReconfigureOutcome.REFUSED, message: "\u001b[31mtoo high\u001b[0m\nby far" },
          ],
          replicasLeftOut: 7,
        }),
      ],
      violations: [
        { field: "user_config.threshold", description: "must be at most 1" },
        { field: "user_config.labels[0]", description: "must be text" },
      ],
    },
  );
};

test("reconfigure gives a config to all replicas, and prints the result of each, and the generation in use", async () => {
  const asked: unknown[] = [];
  const run = await serve({ reconfigure: accepting(asked) });
  expect(await run(["reconfigure", "a", '{"threshold": 0.2}'])).toEqual({
    exitCode: 0,
    stdout: "REPLICA  OUTCOME  MESSAGE\na-7hq2m  APPLIED\na-x7k2p  APPLIED\na  generation 3 of user_config is in use\n",
    stderr: "",
  });
  expect(asked).toEqual([{ name: "a", config: { threshold: 0.2 }, to: 0n, dry: false, by: ["ada@tower"] }]);
});

test("a config is any JSON, from the command line, a file or standard input", async () => {
  const asked: unknown[] = [];
  const run = await serve({ reconfigure: accepting(asked) });
  const cwd = await folder({ "config.json": "[1, 2]\n" });
  await run(["reconfigure", "a", "@config.json"], { cwd });
  await run(["reconfigure", "a", "-"], { stdin: '"words"' });
  await run(["reconfigure", "a", "null"]);
  expect(asked).toMatchObject([{ config: [1, 2] }, { config: "words" }, { config: null }]);
  expect(await run(["reconfigure", "a", "@none.json"], { cwd })).toMatchObject({
    exitCode: 1,
    stderr: "error: cannot read none.json: there is no such file\n",
  });
  expect(asked).toHaveLength(3);
});

test("--to goes back to an older config, and --dry-run only asks", async () => {
  const asked: unknown[] = [];
  const run = await serve({ reconfigure: accepting(asked) });
  expect(await run(["reconfigure", "a", "--to", "2"])).toMatchObject({ exitCode: 0 });
  expect(await run(["reconfigure", "a", "7", "--dry-run"])).toEqual({
    exitCode: 0,
    stdout: "REPLICA  OUTCOME   MESSAGE\na-7hq2m  ACCEPTED\na-x7k2p  ACCEPTED\na  all replicas accept it; nothing was changed\n",
    stderr: "",
  });
  expect(asked).toMatchObject([
    { config: undefined, to: 2n, dry: false },
    { config: 7, to: 0n, dry: true },
  ]);
});

test("a deployment without running replicas takes a config too; there is no table then", async () => {
  const run = await serve({ reconfigure: () => ({ configGeneration: 4n }) });
  expect((await run(["reconfigure", "a", "1"])).stdout).toBe("a  generation 4 of user_config is in use\n");
});

test("-o json is the response as proto JSON", async () => {
  const run = await serve({ reconfigure: accepting() });
  const { stdout } = await run(["reconfigure", "a", "1", "-o", "json"]);
  expect(JSON.parse(stdout)).toMatchObject({
    deployment: { spec: { name: "a" } },
    config_generation: "3",
    replicas: [{ replica_id: "a-7hq2m", outcome: "RECONFIGURE_OUTCOME_APPLIED", message: "" }, {}],
  });
});

test.each([
  [["a"], "give a config (JSON, @FILE, or - for standard input) or --to GENERATION"],
  [["a", "1", "--to", "2"], "a config and --to exclude each other"],
  [["a", "{threshold: 1}"], "not JSON: {threshold: 1}"],
  [["a", "-"], "not JSON: (empty)"],
  [["a", "--to", "0"], "Must be a whole number from 1 to"],
  [["a", "1", "--timeout", "2"], "Give a number and a unit"],
])("wrong usage asks no replica and ends with 2: %j", async (argv, said) => {
  const asked: unknown[] = [];
  const run = await serve({ reconfigure: accepting(asked) });
  const ended = await run(["reconfigure", ...argv]);
  expect(ended).toMatchObject({ exitCode: 2, stdout: "" });
  expect(ended.stderr).toContain(said);
  expect(asked).toEqual([]);
});

test("a refusal shows what each replica made of it, every wrong field, and what is in use", async () => {
  const run = await serve({ reconfigure: refusing });
  const stderr = [
    "error: FAILED_PRECONDITION: 1 of 2 replicas refused it, and all keep the previous config: a-x7k2p: too high",
    "  user_config.threshold: must be at most 1",
    "  user_config.labels[0]: must be text",
    "  no replica was changed for good: all serve by the config before (`drover configs a` shows it)",
    "",
  ].join("\n");
  expect(await run(["reconfigure", "a", "2"])).toEqual({
    exitCode: 1,
    stdout: "REPLICA  OUTCOME   MESSAGE\na-7hq2m  ACCEPTED\na-x7k2p  REFUSED   too high …\n",
    stderr: `and 7 more replicas\n${stderr}`,
  });
  expect(await run(["reconfigure", "a", "2", "-o", "json"])).toEqual({ exitCode: 1, stdout: "", stderr });
});

test.each([
  ["CONFIG_NOT_FOUND", "error: NOT_FOUND: it is so\n  `drover configs a` shows those there are\n"],
  ["DEPLOYMENT_NOT_FOUND", "error: NOT_FOUND: it is so\n  `drover list` shows the deployments there are\n"],
  [
    "CHANGE_IN_PROGRESS",
    "error: ABORTED: it is so\n  another change of its config is in progress: try again when it is over (`drover status a`)\n",
  ],
] as const)("%s ends with 1 and a remedy", async (reason, stderr) => {
  const run = await serve({
    reconfigure: () => {
      throw refusal(reason, "it is so", { metadata: { deployment: "a" } });
    },
  });
  expect(await run(["reconfigure", "a", "--to", "9"])).toEqual({ exitCode: 1, stdout: "", stderr });
});

test("a change that lasts shows how it goes, each line once, on standard error", async () => {
  const over = Promise.withResolvers<void>();
  const run = await serve({
    reconfigure: async (request, context) => {
      await over.promise;
      return accepting()(request, context);
    },
    async *watchDeployments({ names }, { signal }) {
      expect(names).toEqual(["a"]);
      const { CONFIG_CHANGING, STARTING } = ConditionType;
      for (const type of [CONFIG_CHANGING, CONFIG_CHANGING, STARTING])
        yield {
          event: {
            case: "deploymentUpdated",
            value: deploymentOf("a", { conditions: conditionsOf({ type, message: `condition ${type}` }) }),
          },
        };
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const onPrint = (text: string) => text.includes(`condition ${ConditionType.STARTING}`) && over.resolve();
  const { exitCode, stdout, stderr } = await run(["reconfigure", "a", "1"], { onPrint });
  expect(exitCode).toBe(0);
  expect(stderr).toBe("a  HEALTHY  2/2 running  condition 2\na  HEALTHY  2/2 running  condition 6\n");
  expect(stdout).toContain("generation 3 of user_config is in use");
});

test("a change that is over at once shows no progress", async () => {
  const run = await serve({
    reconfigure: accepting(),
    async *watchDeployments(_, { signal }) {
      yield {
        event: {
          case: "deploymentUpdated",
          value: deploymentOf("a", { conditions: conditionsOf({ message: "config 3: asks 2 replicas" }) }),
        },
      };
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  expect(await run(["reconfigure", "a", "1"])).toMatchObject({ exitCode: 0, stderr: "" });
});

/** A change that is not over before its caller leaves. */
const lasting: Reconfigure = (_, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("left"))));

test("a change longer than --timeout ends with 1 and says that it may go on; a dry run has nothing that goes on", async () => {
  const run = await serve({ reconfigure: lasting });
  expect(await run(["reconfigure", "a", "1", "--timeout", "1s"])).toEqual({
    exitCode: 1,
    stdout: "",
    stderr: "error: a: not done after 1s\n  the change of a may go on: `drover configs a` shows what is in use\n",
  });
  expect((await run(["reconfigure", "a", "1", "--timeout", "1s", "--dry-run"])).stderr).toBe("error: a: not done after 1s\n");
});

test("Ctrl-C ends with 130 and says that the change may go on", async () => {
  const interrupt = new AbortController();
  const run = await serve({
    reconfigure: (request, context) => {
      interrupt.abort();
      return lasting(request, context);
    },
  });
  expect(await run(["reconfigure", "a", "1"], { interrupted: interrupt.signal })).toEqual({
    exitCode: 130,
    stdout: "",
    stderr: "error: interrupted: the change of a may go on: `drover configs a` shows what is in use\n",
  });
});

test("configs are listed over all pages with their authors, long configs cut to a line", async () => {
  const long = { words: { kind: { case: "stringValue" as const, value: `${"🐑".repeat(60)}\n` } } };
  const run = await serve({
    listConfigs: ({ name, pageToken }) => {
      if (name === "none") return { configs: [] };
      const first = {
        configGeneration: 4n,
        revision: 2n,
        maxOngoingRequests: 8,
        author: "ada@tower",
        commitTime: timestampFromMs(nowMs - 60_000),
        userConfig: { kind: { case: "structValue" as const, value: { fields: long } } },
        current: true,
      };
      if (pageToken === "") return { configs: [first], nextPageToken: "more" };
      return {
        configs: [
          { configGeneration: 2n, revision: 1n, maxOngoingRequests: 5, userConfig: { kind: { case: "boolValue", value: false } } },
          { configGeneration: 1n, revision: 1n, maxOngoingRequests: 5 },
        ],
      };
    },
  });
  const { stdout } = await run(["configs", "a"]);
  expect(stdout.split("\n").map((line) => line.split(/\s{2,}/))).toEqual([
    ["GENERATION", "REVISION", "AGE", "AUTHOR", "MAX ONGOING", "CONFIG"],
    ["4", "2", "1m", "ada@tower", "8", `{"words":"${"🐑".repeat(49)}…`, "current"],
    ["2", "1", "-", "-", "5", "false"],
    ["1", "1", "-", "-", "5", "-"],
    [""],
  ]);
  expect(JSON.parse((await run(["configs", "a", "-o", "json"])).stdout)).toMatchObject([
    { config_generation: "4", author: "ada@tower", current: true },
    { user_config: false, current: false },
    {},
  ]);
  expect(await run(["configs", "none"])).toEqual({ exitCode: 0, stdout: "", stderr: "no configs yet\n" });
});

test("configs of what is not there fails", async () => {
  const run = await serve({ listConfigs: ({ name }) => Promise.reject(refusal("DEPLOYMENT_NOT_FOUND", `no deployment "${name}"`)) });
  expect(await run(["configs", "x"])).toMatchObject({ exitCode: 1, stdout: "", stderr: expect.stringContaining('no deployment "x"') });
});

test("every command that changes something sends its author", async () => {
  const authors: unknown[] = [];
  const noting = (_: unknown, { metadata }: Parameters<Reconfigure>[1]) => {
    authors.push(metadata.get("drover-author")[0]);
    return { deployment: deploymentOf("a"), results: [{ deployment: deploymentOf("a") }] };
  };
  const run = await serve({
    apply: noting,
    scale: noting,
    reconfigure: noting,
    rollback: noting,
    pauseRollout: noting,
    resumeRollout: noting,
    deleteDeployment: noting,
  });
  const changes = [
    ["deploy", "app.yaml"],
    ["scale", "a", "1"],
    ["rollback", "a"],
    ["resume", "a"],
    ["delete", "a"],
  ];
  const cwd = await folder({ "app.yaml": "name: a\nprogram: { command: { argv: [a] } }\n" });
  const argvs = [...changes.map((argv) => [...argv, "--no-wait"]), ["reconfigure", "a", "1"], ["pause", "a"]];
  for (const argv of argvs) expect(await run(argv, { cwd })).toMatchObject({ exitCode: 0 });
  expect(authors).toEqual(argvs.map(() => "ada@tower"));
});

test("an author is printable ASCII, whatever the system's names", () => {
  expect(authorText("ada", "tower.example")).toBe("ada@tower.example");
  expect(authorText("Ädä L🐑\n", "tower")).toBe("?d??L??@tower");
  expect(authorText("a".repeat(500), "tower")).toHaveLength(128);
  expect(processAuthor()).toMatch(/^[!-~]+@[!-~]+$/);
});

const app = "name: a\nversion: b\nprogram: { command: { argv: [a] } }\nuser_config:\n  threshold: 2\n";

test("a deploy that changes only the config differs from a rollout, and may wait for its answer as long as for a rollout", async () => {
  const deadlines: number[] = [];
  const run = await serve({
    apply: (_, { deadlineMs = 0 }) => {
      deadlines.push(deadlineMs - Date.now());
      return { results: [{ deployment: deploymentOf("a", { generation: 2n }), effect: Effect.RECONFIGURE }] };
    },
  });
  const cwd = await folder({ "app.yaml": app });
  expect((await run(["deploy", "app.yaml", "--dry-run"], { cwd })).stdout).toBe(
    "a  RECONFIGURE  its running replicas would take it; none is restarted\n",
  );
  await run(["deploy", "app.yaml", "--no-wait", "--timeout", "10m"], { cwd });
  await run(["deploy", "app.yaml", "--no-wait", "--timeout", "1s"], { cwd });
  expect(deadlines.map((ms) => Math.round(ms / 10_000) * 10)).toEqual([300, 600, 30]);
});

test("a deploy whose config is refused shows the replicas, and the fields by file and line", async () => {
  const run = await serve({ apply: refusing });
  expect(await run(["deploy", "app.yaml"], { cwd: await folder({ "app.yaml": app }) })).toEqual({
    exitCode: 1,
    stdout: "REPLICA  OUTCOME   MESSAGE\na-7hq2m  ACCEPTED\na-x7k2p  REFUSED   too high …\n",
    stderr: [
      "and 7 more replicas",
      "error: FAILED_PRECONDITION: 1 of 2 replicas refused it, and all keep the previous config: a-x7k2p: too high",
      "  app.yaml:5: spec.user_config.threshold: must be at most 1",
      "  app.yaml:4: spec.user_config.labels[0]: must be text",
      "  no replica was changed for good: all serve by the config before (`drover configs a` shows it)",
      "",
    ].join("\n"),
  });
});
