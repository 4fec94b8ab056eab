import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { LogLine } from "../../../src/core/log-line.ts";
import type { LocalEngine } from "../../../src/engine/local/local-engine.ts";
import { ended, eventually, linesOf, openEngine, printed, startShell, testFolder } from "./engine-harness.ts";

const never = new AbortController().signal;
const texts = (lines: readonly LogLine[]) => lines.map(({ line }) => line);

/**
 * Follows a replica's output from its beginning; `done` resolves when the following ends by itself.
 */
function follow(engine: LocalEngine, replicaId: string, signal = never, tailLines = 1000) {
  const lines: LogLine[] = [];
  const done = (async () => {
    for await (const line of engine.logs(replicaId, { tailLines, follow: true }, signal)) lines.push(line);
  })();
  return { lines, done };
}

describe("the output of a replica", () => {
  test("ends with the last lines of each stream, also one without its end", async () => {
    const engine = await openEngine(await testFolder());
    await startShell(engine, "r1", "echo 1; echo 2; printf 3; echo a >&2; echo b >&2; echo c >&2");
    await ended(engine, "r1");
    const line = (stream: string, text: string) => ({ replicaId: "r1", stream, line: text, atMs: expect.any(Number) });
    expect(await linesOf(engine, "r1", 2)).toEqual([line("stdout", "2"), line("stdout", "3"), line("stderr", "b"), line("stderr", "c")]);
    expect(await linesOf(engine, "r1", 0)).toEqual([]);
    expect(await linesOf(engine, "unknown")).toEqual([]);
  });

  test("is followed line by line as it comes, until the follower leaves", async () => {
    const folder = await testFolder();
    const engine = await openEngine(folder);
    await startShell(
      engine,
      "r1",
      `echo before; printf be; while [ ! -e ${folder}/go ]; do sleep 0.01; done; echo gun; echo late >&2; exec sleep 1000`,
    );
    await printed(engine, "r1", "be");
    const leave = new AbortController();
    const { lines, done } = follow(engine, "r1", leave.signal);
    await eventually(() => lines.length > 0);
    await writeFile(join(folder, "go"), "");
    await eventually(() => ["begun", "late"].every((text) => texts(lines).includes(text)));
    expect(texts(lines).sort()).toEqual(["before", "begun", "late"]);
    leave.abort();
    await done;
  });

  test("is followed until the replica is forgotten, or the engine is closed", async () => {
    const engine = await openEngine(await testFolder());
    await startShell(engine, "r1", "echo bye");
    await startShell(engine, "r2", "echo still here; exec sleep 1000");
    const [forgotten, closed] = [follow(engine, "r1"), follow(engine, "r2")];
    await eventually(() => forgotten.lines.length > 0 && closed.lines.length > 0);
    await ended(engine, "r1");
    await engine.forget("r1");
    await forgotten.done;
    expect(texts(forgotten.lines)).toEqual(["bye"]);
    await engine.stop("r2", "kill");
    await engine.close();
    await closed.done;
  });

  test("takes twice its bound at most, and a follower gets its lines once and in order", async () => {
    const folder = await testFolder();
    const engine = await openEngine(folder, { logBytesMax: 1000 });
    await startShell(
      engine,
      "r1",
      `while [ ! -e ${folder}/go ]; do sleep 0.01; done; for i in $(seq 300); do echo "line $i"; sleep 0.001; done`,
    );
    const { lines } = follow(engine, "r1");
    await writeFile(join(folder, "go"), "");
    await ended(engine, "r1");
    const last = async () => texts(await linesOf(engine, "r1", 5)); // the very last may be lost: printed between a copy and a cut
    await eventually(async () => texts(lines).at(-1) === (await last()).at(-1));
    const numbers = texts(lines)
      .flatMap((line) => /^line (\d+)$/.exec(line)?.[1] ?? [])
      .map(Number);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    const file = join(folder, "replicas", "r1", "stdout.log");
    await eventually(async () => (await stat(file)).size <= 1000);
    expect((await stat(`${file}.1`)).size).toBeLessThanOrEqual(1000);
    expect(await last()).toEqual(texts(lines).slice(-5));
    expect(numbers.length).toBeGreaterThan(0);
  });

  test("each line has the time when it was written, also for the next controller", async () => {
    const folder = await testFolder();
    const engine = await openEngine(folder);
    await startShell(engine, "r1", `echo one; while [ ! -e ${folder}/go ]; do sleep 0.01; done; echo two; exec sleep 1000`);
    await printed(engine, "r1", "one");
    const [one] = await linesOf(engine, "r1");
    await writeFile(join(folder, "go"), "");
    await eventually(async () => texts(await linesOf(engine, "r1")).includes("two"));
    const lines = await linesOf(engine, "r1");
    expect(lines[0]).toEqual(one);
    expect(Number(lines[1]?.atMs)).toBeGreaterThan(Number(one?.atMs));
    const log = await stat(join(folder, "replicas", "r1", "stdout.log"));
    expect(lines[1]?.atMs).toBe(Math.floor(log.mtimeMs));
    await engine.close();
    const next = await openEngine(folder);
    expect(await linesOf(next, "r1")).toEqual(lines);
  });

  test("of a program that prints as fast as it can is kept in bounds while it runs", async () => {
    const folder = await testFolder();
    const engine = await openEngine(folder, { logBytesMax: 10_000 });
    await startShell(engine, "r1", "exec yes");
    const older = join(folder, "replicas", "r1", "stdout.log.1");
    await eventually(() =>
      stat(older).then(
        ({ size }) => size === 10_000,
        () => false,
      ),
    );
    await engine.stop("r1", "kill");
    await ended(engine, "r1");
    await eventually(async () => (await stat(join(folder, "replicas", "r1", "stdout.log"))).size <= 10_000);
  });
});
