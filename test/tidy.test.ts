// The rules of the house, held against every file of the repository. Each rule is also shown to fail on a sample that breaks it.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import * as rules from "./tidy-rules.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const textual = /\.(?:ts|mjs|js|json|lua|proto|yaml|yml|md|txt|sh|py|go|html|css)$|(?:^|\/)[^.]+$/;

/** Every file that is, or is about to be, in the repository. */
function repositoryFiles(): readonly rules.SourceFile[] {
  const paths = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  }).split("\0");
  return [...new Set(paths)]
    .filter((path) => path !== "" && existsSync(join(root, path)))
    .map((path) => ({ path, text: textual.test(path) ? readFileSync(join(root, path), "utf8") : "" }));
}

describe("every file keeps the rule", () => {
  const files = repositoryFiles();

  test("and there are files", () => {
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(["package.json", "src/main.ts", "src/core/errors.ts"]));
  });

  test("no files import each other in a circle, types included", () => {
    expect(rules.circles(files)).toEqual([]);
  });

  test("a type's name is used once in src", () => {
    expect(rules.typeNamesUsedTwice(files)).toEqual([]);
  });

  test.each(rules.rules.map((rule) => [rule.name, rule] as const))("%s", (_, rule) => {
    expect(files.flatMap((file) => rule(file).map((wrong) => `${file.path}: ${wrong}`))).toEqual([]);
  });
});

/** Samples of the rule: `bad` are against it, `good` are not. */
function samples(
  rule: rules.Rule,
  { bad, good }: { readonly bad: readonly (readonly [path: string, text: string])[]; readonly good: typeof bad },
): void {
  describe(rule.name, () => {
    test.each(bad.map(titled))("refuses %s: %s", (path, _, text) => {
      expect(rule({ path, text })).toHaveLength(1);
    });
    test.each(good.map(titled))("allows %s: %s", (path, _, text) => {
      expect(rule({ path, text })).toEqual([]);
    });
  });
}

/** With the text cut to what fits a line. */
function titled([path, text]: readonly [path: string, text: string]): readonly [path: string, title: string, text: string] {
  return [path, JSON.stringify(text.slice(0, 60)), text];
}

test("circles: each is found, types included", () => {
  const file = (name: string, ...imports: readonly string[]) => ({
    path: `src/core/${name}.ts`,
    text: imports.map((other) => `import type { X } from "./${other}.ts";`).join("\n"),
  });
  expect(rules.circles([file("a", "b"), file("b", "c"), file("c", "a"), file("d", "a")])).toHaveLength(1);
  expect(rules.circles([file("a", "b", "c"), file("b", "c"), file("c")])).toEqual([]);
});

test("a type's name used in two files is found", () => {
  const file = (path: string, text: string) => ({ path, text });
  const two = [file("src/core/a.ts", "export interface Load {}"), file("src/links/b.ts", "type Load = 1;")];
  expect(rules.typeNamesUsedTwice(two)).toHaveLength(1);
  expect(rules.typeNamesUsedTwice([file("src/core/a.ts", "interface Load {}"), file("test/b.ts", "type Load = 1;")])).toEqual([]);
});

samples(rules.roomsImportOnlyTheirOwn, {
  bad: [
    ["src/core/plan.ts", 'import { realClock } from "../clock/real.ts";'],
    ["src/core/plan.ts", 'import { readFile } from "node:fs";'],
    ["src/core/plan.ts", 'export type { Log } from "../log/log.ts";'],
    ["src/api/convert.ts", 'const engine = await import("../engine/engine.ts");'],
    ["src/cli/commands/list.ts", 'import {\n  type Clock,\n} from "../../clock/clock.ts";'],
    ["src/store/store.ts", 'import "../../gen/drover/v1/errors_pb.ts";'],
    ["src/cli/run-cli.ts", 'import { runController } from "../controller/controller.ts";'],
    ["src/controller/controller.ts", 'import { main } from "../main.ts";'],
    ["src/engine/kubernetes/pods.ts", 'import { spawnReplica } from "../local/launch.ts";'],
    ["src/engine/engine.ts", 'import { LocalEngine } from "./local/local-engine.ts";'],
    ["src/rpc/server.ts", 'import { folder } from "../../test/cli/harness.ts";'],
    ["src/attic/old.ts", 'import { invalid } from "../core/errors.ts";'],
    ["src/conformance/run.ts", 'import { launch } from "../engine/local/launch.ts";'],
  ],
  good: [
    ["src/core/plan.ts", 'import type { Json } from "./json.ts";'],
    ["src/core/plan.ts", 'import { createHash } from "node:crypto";'],
    ["src/conformance/run.ts", 'import { loneReplica } from "../engine/local/lone-replica.ts";'],
    ["src/api/convert.ts", '// as in "../engine/engine.ts"\nimport { pino } from "pino";\nimport { Store } from "../store/store.ts";'],
    ["src/cli/commands/list.ts", 'import { DeploymentSchema } from "../../../gen/drover/v1/deployment_pb.ts";'],
    ["src/main.ts", 'import { runCli } from "./cli/run-cli.ts";\nawait import("./controller/controller.ts");'],
    ["test/core/plan.test.ts", 'import { realClock } from "../../src/clock/real.ts";'],
  ],
});

samples(rules.timeAndChanceComeFromClock, {
  bad: [
    ["src/loops/x.ts", "const now = Date.now();"],
    ["src/loops/x.ts", "const now = new Date();"],
    ["src/loops/x.ts", "const now = Date();"],
    ["src/loops/x.ts", "setTimeout(run, 10);"],
    ["src/loops/x.ts", "const timer = setInterval(run, 10);"],
    ["src/loops/x.ts", "globalThis.setTimeout(run, 10);"],
    ["src/loops/x.ts", "fetch(url, { signal: AbortSignal.timeout(10) });"],
    ["src/loops/x.ts", "const started = performance.now();"],
    ["src/loops/x.ts", "const started = process.hrtime.bigint();"],
    ["src/loops/x.ts", "const at = Math.random();"],
    ["src/loops/x.ts", 'import { randomUUID } from "node:crypto";'],
    ["src/loops/x.ts", 'import * as later from "node:timers/promises";'],
  ],
  good: [
    ["src/clock/real.ts", "const now = () => Date.now();"],
    ["src/loops/x.ts", "// no setTimeout here\nconst shown = new Date(nowMs).toISOString();"],
    ["src/loops/x.ts", 'const message = "Math.random is not allowed";'],
    ["src/loops/x.ts", "socket.setTimeout(idleMs); clock.after(10, run);"],
    ["test/loops/x.test.ts", "setTimeout(run, 10);"],
  ],
});

samples(rules.processesAreStartedByEngine, {
  bad: [
    ["src/api/x.ts", 'import { spawn } from "node:child_process";'],
    ["src/store/mirror.ts", 'import { fork } from "child_process";'],
    ["src/cli/x.ts", 'const { Worker } = await import("node:worker_threads");'],
  ],
  good: [
    ["src/engine/local/launch.ts", 'import { spawn } from "node:child_process";'],
    ["src/store/private-redis.ts", 'import { spawn } from "node:child_process";'],
    ["test/cli/x.test.ts", 'import { spawn } from "node:child_process";'],
  ],
});

samples(rules.connectionsStayInTheWire, {
  bad: [
    ["src/gateway/call.ts", 'import type { ServerHttp2Stream } from "node:http2";'],
    ["src/gateway/call.ts", 'import { splitAddress } from "./wire/address.ts";'],
    ["src/gateway/own-services/own-services.ts", 'import { connect } from "node:net";'],
  ],
  good: [
    ["src/gateway/wire/caller-side.ts", 'import { constants } from "node:http2";'],
    ["src/gateway/gateway.ts", 'import { http2Wire } from "./wire/http2-wire.ts";'],
    ["src/gateway/call.ts", 'import type { CallerSide } from "./sides.ts";'],
    ["src/rpc/listen-address.ts", 'import { isIPv6 } from "node:net";'],
  ],
});

samples(rules.onlyCliPrints, {
  bad: [["src/loops/x.ts", "console.log(plan);"]],
  good: [
    ["src/cli/x.ts", "console.log(plan);"],
    ["src/loops/x.ts", "log.info(plan); // not console.log"],
  ],
});

samples(rules.factsAreNotReadFromSentences, {
  bad: [
    ["src/loops/x.ts", 'if (answer.message.startsWith("DEADLINE_EXCEEDED")) wait();'],
    ["src/core/x.ts", 'const first = removed.get(id)?.reason.includes("taken down first");'],
    ["src/core/x.ts", 'if (seen.exit?.includes("could not")) fail();'],
    ["src/core/x.ts", "return /^(exit code|signal)/.test(seen.exit);"],
    ["src/links/x.ts", "const [, name] = /replica (\\w+)/.exec(message) ?? [];"],
    ["src/engine/x.ts", 'if (exit !== "signal SIGKILL") return "";'],
    ["src/api/x.ts", "const parts = cause.match(/(\\d+) failed/);"],
    ["src/core/x.ts", "if (last?.summary === verdict.summary) return undefined;"],
    ["src/core/x.ts", "if (told !== verdict.summary) write();"],
    ["src/api/x.ts", "return status.message !== before;"],
    ["src/loops/x.ts", "if (replicaInWords(before) === message) continue;"],
    ["src/loops/x.ts", "if (message !== words.waitInWords(wait)) write();"],
  ],
  good: [
    ["src/loops/x.ts", 'if (answer.kind === "late") wait();'],
    ["src/links/x.ts", 'if (cause.reason === "STALE_EPOCH" || ["UNAVAILABLE"].includes(cause.code)) return;'],
    ["src/links/x.ts", 'const passing = reasons.includes(error.reason) ? 1 : 0; // message.includes("x")'],
    ["src/store/scripts.ts", 'if (error.message.startsWith("NOSCRIPT")) load();'],
    ["src/core/x.ts", "if (sameJson(last?.hold, verdict.hold)) return undefined;"],
    ["src/rpc/x.ts", "if (field.message === undefined) return; // not a.message === b"],
    ["src/store/x.ts", 'if (typeof record.message !== "string") return record;'],
    ["src/core/x.ts", 'const why = wait === undefined ? "" : waitInWords(wait);'],
    ["test/x.ts", 'if (message.includes("paused")) done();'],
  ],
});

samples(rules.recordsHoldValues, {
  bad: [
    ["src/links/x.ts", "const route = { name, get load() { return contact(id).load; } };"],
    [
      "src/links/x.ts",
      "class A {\n  of(id: string) {\n    return {\n      get load(): number | undefined {\n        return 1;\n      },\n    };\n  }\n}",
    ],
  ],
  good: [
    ["src/links/x.ts", "class Link implements A<B> {\n  get contact(): Contact {\n    return this.#contact;\n  }\n}"],
    ["src/links/x.ts", "class Link {\n  a() {\n    if (x) { y(); }\n  }\n\n  private get b() { return 1; }\n}"],
    ["src/links/x.ts", "const load = routes.get(name); const get = () => ({});"],
  ],
});

samples(rules.exportsHaveNames, {
  bad: [
    ["src/core/x.ts", "export default function plan() {}"],
    ["src/core/x.ts", "export { plan as default };"],
  ],
  good: [
    ["src/core/x.ts", 'const name = "export default";\nexport { name };'],
    ["examples/x.ts", "export default deployment(Model);"],
  ],
});

samples(rules.filesAreShort, {
  bad: [["src/core/x.ts", "\n".repeat(401)]],
  good: [
    ["src/core/x.ts", "\n".repeat(400)],
    ["gen/x_pb.ts", "\n".repeat(4000)],
  ],
});

samples(rules.namesAreKebabCase, {
  bad: [
    ["src/core/rolloutPlan.ts", ""],
    ["src/core/rollout_plan.ts", ""],
    ["src/Core/plan.ts", ""],
    ["test/core/Plan.test.ts", ""],
  ],
  good: [
    ["src/core/rollout-plan.ts", ""],
    ["test/core/rollout-plan.test.ts", ""],
    ["examples/greeter/gen/greeter_pb.ts", ""],
    ["examples/greeter/proto/greeter/v1/greeter_service.proto", ""],
    ["bench/README.md", ""],
    ["examples/go-greeter/.droverignore", ""],
  ],
});

samples(rules.namesSayWhatItIs, {
  bad: [
    ["src/core/utils.ts", ""],
    ["src/core/util.ts", ""],
    ["src/rpc/test-helpers.ts", ""],
    ["src/common/json.ts", ""],
    ["src/engine/process-manager.ts", ""],
  ],
  good: [
    ["src/core/futile.ts", ""],
    ["src/core/uncommon.ts", ""],
  ],
});

samples(rules.topLevelIsTheHouse, {
  bad: [
    ["notes.txt", ""],
    [".env", ""],
    ["lib/x.ts", ""],
  ],
  good: [
    ["src/main.ts", ""],
    [".ci/run", ""],
  ],
});

samples(rules.noMachineIsMentioned, {
  bad: [
    ["README.md", "run it in /work/drover"],
    ["src/x.ts", 'const path = "/Users/ada/drover";'],
    ["bench/README.md", "measured in /root/bench"],
  ],
  good: [
    ["README.md", "https://example.com/work/drover and ./work/drover"],
    ["src/x.ts", 'const path = "/tmp/work/drover";'],
  ],
});
