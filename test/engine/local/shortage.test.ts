import { expect, test } from "vitest";
import { ShortageError } from "../../../src/engine/engine.ts";
import { startError } from "../../../src/engine/local/shortage.ts";

const system = (code: string) => Object.assign(new Error(`${code}: so says the system`), { code });

test("a start fails for a shortage of the machine if the system said so, also by way of another error", () => {
  for (const code of ["ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EAGAIN", "EROFS"]) {
    const error = startError(system(code));
    expect(error).toBeInstanceOf(ShortageError);
    expect(error).toMatchObject({ message: system(code).message });
  }
  expect(startError(new Error("program p could not be started", { cause: system("EAGAIN") }))).toBeInstanceOf(ShortageError);
});

test("any other error is the assignment's", () => {
  for (const error of [system("ENOENT"), system("E2BIG"), new Error("ENOSPC is a word of the program"), "ENOSPC"])
    expect(startError(error)).toBe(error);
});
