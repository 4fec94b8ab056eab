import { expect, test } from "vitest";
import { charactersAheadMax, followLogs } from "../../src/api/follow-logs.ts";
import type { LogLine } from "../../src/core/log-line.ts";

/** Replicas as records, and what is known of their output: nothing before they are started. */
class Source {
  readonly #records = new Map<string, "is" | "ended">();
  readonly #outputs = new Map<string, { readonly lines: string[]; gone: boolean; wake: PromiseWithResolvers<void> }>();
  readonly #listeners = new Set<() => void>();
  /** What was opened, in order; `+`: as a new one. */
  readonly opened: string[] = [];
  /** How many lines were read. */
  read = 0;

  /** Its record is written, or written again. */
  change(id: string, state: "is" | "ended" = "is"): void {
    this.#records.set(id, state);
    for (const listener of [...this.#listeners]) listener();
  }

  start(id: string): void {
    this.#outputs.set(id, { lines: [], gone: false, wake: Promise.withResolvers() });
  }

  print(id: string, ...lines: string[]): void {
    this.#outputs.get(id)?.lines.push(...lines);
    this.#wake(id);
  }

  forget(id: string): void {
    const output = this.#outputs.get(id);
    if (output) output.gone = true;
    this.#outputs.delete(id);
    output?.wake.resolve();
  }

  follow(): { next(count: number): Promise<string[]>; end(): Promise<void> } {
    const leave = new AbortController();
    const lines = followLogs(
      {
        ids: () => [...this.#records.keys()],
        hasEnded: (id) => this.#records.get(id) === "ended",
        open: (id, whole) => this.#open(id, whole),
        subscribe: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      leave.signal,
    );
    const next = async (count: number) => {
      const seen: string[] = [];
      while (seen.length < count) seen.push(((await lines.next()).value as LogLine).line);
      return seen;
    };
    const end = async () => {
      leave.abort();
      expect((await lines.next()).done).toBe(true);
      expect(this.#listeners.size).toBe(0);
    };
    return { next, end };
  }

  async *#open(id: string, whole: boolean): AsyncGenerator<LogLine> {
    this.opened.push(`${whole ? "+" : ""}${id}`);
    const output = this.#outputs.get(id);
    for (let at = whole ? 0 : Math.max(0, (output?.lines.length ?? 0) - 1); output && !output.gone; ) {
      for (; at < output.lines.length; at++) {
        this.read += 1;
        yield { replicaId: id, stream: "stdout", line: `${id}: ${output.lines[at]}` };
      }
      if (!output.gone) await output.wake.promise;
    }
  }

  #wake(id: string): void {
    const output = this.#outputs.get(id);
    if (output === undefined) return;
    output.wake.resolve();
    output.wake = Promise.withResolvers();
  }
}

/** Lets all that can go on without anything new go on. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A source that is followed, with one replica that has printed three lines. */
async function followed() {
  const source = new Source();
  source.start("a");
  source.change("a");
  source.print("a", "1", "2", "3");
  const lines = source.follow();
  expect(await lines.next(1)).toEqual(["a: 3"]);
  return { source, lines };
}

test("a replica that is written down before it is started is followed from its first line, the others go on", async () => {
  const { source, lines } = await followed();
  source.change("b");
  await settle();
  source.start("b");
  source.print("b", "1", "2", "3");
  source.change("b");
  expect(await lines.next(3)).toEqual(["b: 1", "b: 2", "b: 3"]);
  source.print("a", "4");
  expect(await lines.next(1)).toEqual(["a: 4"]);
  source.change("b");
  await settle();
  source.print("b", "4");
  expect(await lines.next(1)).toEqual(["b: 4"]);
  expect(source.opened).toEqual(["a", "+b", "+b"]);
  await lines.end();
});

test("a change that comes while a stream is just ending is not missed", async () => {
  const { source, lines } = await followed();
  source.change("b"); // opens a stream, which will find nothing
  source.start("b");
  source.print("b", "1");
  source.change("b"); // at once: that stream has not ended yet
  expect(await lines.next(1)).toEqual(["b: 1"]);
  await lines.end();
});

test("a replica that is recorded before a follower comes, and started later, is followed", async () => {
  const source = new Source();
  source.change("a");
  const lines = source.follow();
  const first = lines.next(1);
  await settle();
  source.start("a");
  source.change("a");
  source.print("a", "1");
  expect(await first).toEqual(["a: 1"]);
  await lines.end();
});

test("a silent replica that is forgotten while its record stays is searched for once a change, and not any more when it has ended", async () => {
  const { source, lines } = await followed();
  source.start("b");
  source.change("b");
  await settle();
  source.forget("b");
  await settle();
  const openedThen = source.opened.length;
  await settle();
  expect(source.opened).toHaveLength(openedThen);
  source.change("b");
  await settle();
  expect(source.opened).toHaveLength(openedThen + 1);
  source.change("b", "ended");
  for (let i = 0; i < 10; i++) {
    await settle();
    source.change("a");
  }
  expect(source.opened.length).toBeLessThanOrEqual(openedThen + 2);
  await lines.end();
});

test("a replica that has printed is not followed again when it is forgotten", async () => {
  const { source, lines } = await followed();
  source.forget("a");
  await settle();
  source.change("a");
  source.change("a", "ended");
  await settle();
  expect(source.opened).toEqual(["a"]);
  await lines.end();
});

test("of long lines no more are read ahead for a slow reader than their bound", async () => {
  const { source, lines } = await followed();
  const length = charactersAheadMax / 4;
  for (let i = 0; i < 50; i++) source.print("a", "x".repeat(length));
  await settle();
  expect(source.read).toBeLessThan(10);
  expect(await lines.next(50)).toHaveLength(50);
  await lines.end();
});
