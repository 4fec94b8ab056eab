import { describe, expect, test } from "vitest";
import { refusal, StatusError } from "../../src/core/errors.ts";
import { type ControllerHandlers, deploymentOf, folder, serve } from "./harness.ts";

interface Asked {
  readonly requestId: string;
}

/** Every write; `answer` gets each request, and returns the deployment. */
function answering(answer: (request: Asked) => object): ControllerHandlers {
  const one = (request: Asked) => answer(request);
  return {
    ...{ deploy: one, scale: one, deleteDeployment: one, rollback: one, pauseRollout: one, resumeRollout: one, reconfigure: one },
    apply: (request) => ({ results: [answer(request)] }),
  };
}

const commands = [
  ["deploy", "app.yaml", "--no-wait"],
  ["scale", "a", "3", "--no-wait"],
  ["delete", "a", "--no-wait"],
  ["rollback", "a", "--no-wait"],
  ["pause", "a"],
  ["resume", "a", "--no-wait"],
  ["reconfigure", "a", "{}"],
] as const;

describe.each(commands.map((argv) => [argv[0], argv] as const))("drover %s", (_, argv) => {
  test("asks again under the same id where the answer was lost", async () => {
    const cwd = await folder({ "app.yaml": "name: a\nprogram: { command: { argv: [a] } }\n" });
    const ids: string[] = [];
    const run = await serve(
      answering(({ requestId }) => {
        ids.push(requestId);
        if (ids.length === 1) throw new StatusError("UNAVAILABLE", "the connection was lost");
        return { deployment: deploymentOf("a") };
      }),
    );
    expect((await run(argv, { cwd })).exitCode).toBe(0);
    expect(ids).toEqual([ids[0], ids[0]]);
    expect(ids[0]).not.toBe("");
    await run(argv, { cwd });
    expect(new Set(ids).size).toBe(2);
  });

  test("asks once where the controller refuses", async () => {
    const cwd = await folder({ "app.yaml": "name: a\nprogram: { command: { argv: [a] } }\n" });
    let calls = 0;
    const run = await serve(
      answering(() => {
        calls += 1;
        throw refusal("STORE_UNAVAILABLE", "the store is away", { retryAfterMs: 1_000 });
      }),
    );
    expect((await run(argv, { cwd })).exitCode).toBe(1);
    expect(calls).toBe(1);
  });
});
