// The SDK for Python keeps the replica contract, sentence by sentence: with requests on the event loop, and with requests in threads.
import { delimiter, dirname } from "node:path";
import { expect } from "vitest";
import { python, pythonTest } from "../sdk/python-harness.ts";
import { fixturePath, mainPath, run } from "./drover.ts";

for (const slow of ["wait", "block"]) {
  pythonTest(`a program in Python is a replica like any other, its slow requests by "${slow}"`, async () => {
    const flags = [
      ...["--method", "greet", "--input", '"Ada"', "--stream-method", "count", "--stream-input", "3"],
      ...["--slow-method", slow, "--slow-input", "2", "--tcp"],
      ...["--user-config", '{"word": "Hi"}', "--bad-user-config", '{"word": 1}'],
    ];
    const program = ["python3", "-m", "drover.replica", fixturePath("contract.py"), "contract"];
    const { code, stdout, stderr } = await run(process.execPath, [mainPath, "conformance", "-o", "json", ...flags, "--", ...program], {
      env: { PATH: `${dirname(python())}${delimiter}${process.env.PATH}` },
    });
    const { sentences } = JSON.parse(stdout) as { readonly sentences: readonly { readonly id: string; readonly outcome: string }[] };
    const others = sentences.flatMap(({ id, outcome }) => (outcome === "holds" ? [] : `${id} ${outcome}`));
    // The program takes a user_config.
    expect(others, stderr).toEqual(["config.none unchecked"]);
    expect(sentences.length).toBeGreaterThan(40);
    expect(code).toBe(0);
  });
}
