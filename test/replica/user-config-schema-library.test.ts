// A real library of Standard Schema, against what a hand-written schema cannot show: its types, its issues' paths, its defaults.
import { expect, test } from "vitest";
import { z } from "zod";
import { deployment } from "../../src/replica/index.ts";
import { change, failure, serve, steps } from "./harness.ts";

class Program {
  readonly taken: unknown[] = [];
  reconfigure(userConfig: unknown) {
    this.taken.push(userConfig);
  }
  last() {
    return this.taken.at(-1);
  }
}

const definition = deployment(Program, {
  userConfigSchema: z.object({ threshold: z.number().default(0.5), labels: z.array(z.object({ name: z.string() })) }),
});

test("a schema of zod fills in and refuses, each wrong field by its path", async () => {
  const served = await serve(definition);
  await steps(served).apply(1, { labels: [{ name: "a" }] });
  expect(await served.invoke("last")).toEqual({ threshold: 0.5, labels: [{ name: "a" }] });
  const error = await failure(served.replica.reconfigure(change(2, { threshold: "high", labels: [{ name: 1 }] })));
  expect(error.code).toBe("INVALID_ARGUMENT");
  expect(error.facts.violations?.map(({ field }) => field).sort()).toEqual(["user_config.labels[0].name", "user_config.threshold"]);
});
