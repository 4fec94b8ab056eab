import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { CountReporter } from "./kit/count-reporter.ts";

/** Tests that start processes, compile, or run for long: not for daily work. */
const slow = [
  "test/{e2e,sim,sdk,conformance,engine,contract}/**",
  "test/**/*-laws.test.ts",
  "test/replica/host.test.ts",
  "test/store/{private-redis,redis-store,redis-contents,redis-troubles,aof-repair}.test.ts",
  "test/controller/{fault-guard,open-files}.test.ts",
  "test/docs/replica-contract.test.ts",
  "test/cli/smoke.test.ts",
  "test/gateway/abuse.test.ts",
  "test/wire/fuzzed-requests.test.ts",
  "test/{generated,protos}.test.ts",
];
/** What takes longest, the longest first: begun first, so that nothing long is left alone at the end. */
const longest = [
  "sim/simulation",
  "e2e/bad-programs",
  "e2e/reconfigure",
  "e2e/faults",
  "e2e/examples",
  "e2e/environments",
  "e2e/h2spec",
  "conformance/conformance",
  "e2e/",
  "sim/planted-faults",
  "replica/host",
  "sdk/",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const index = longest.findIndex((name) => moduleId.includes(`/test/${name}`));
      return index < 0 ? longest.length : index;
    };
    return files.toSorted((a, b) => place(a) - place(b) || (a.moduleId < b.moduleId ? -1 : 1));
  }
}

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // Tests with processes mostly wait for them: twice as many workers as cores keep these busy.
    maxWorkers: 2 * availableParallelism(),
    sequence: { sequencer: LongestFirst },
    reporters: ["default", new CountReporter()],
    projects: [
      { extends: true, test: { name: "unit", include: ["test/**/*.test.ts"], exclude: slow, isolate: false } },
      { extends: true, test: { name: "slow", include: slow.map((path) => (path.endsWith("/**") ? `${path}/*.test.ts` : path)) } },
    ],
  },
});
