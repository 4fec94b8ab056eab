import type { Reporter, SerializedError, TestModule, Vitest } from "vitest/node";

/**
 * Ends the output of a run with one plain line for programs: `N passed, N failed, N skipped`. An
 * error outside a test, such as a module that cannot be loaded or a failed hook, counts as failed.
 */
export class CountReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const many = (state: string) => tests.filter((one) => one.result().state === state).length;
    const groups = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const outside = errors.length + groups.reduce((sum, group) => sum + group.errors().length, 0);
    this.#vitest?.logger.log(`${many("passed")} passed, ${many("failed") + outside} failed, ${many("skipped")} skipped`);
  }
}
