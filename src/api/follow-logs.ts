import type { LogLine } from "../core/log-line.ts";

/**
 * The most lines, and the most characters of them, that wait for a slow reader: with more, no files
 * are read until it has caught up.
 */
const linesAheadMax = 1_000;
export const charactersAheadMax = 4 * 2 ** 20;

export interface LogSources {
  /** The ids of the replicas that exist now. */
  readonly ids: () => readonly string[];
  readonly hasEnded: (id: string) => boolean;
  /**
   * The lines of a replica until its output is removed; none before it is started. `whole`: all
   * lines that are kept, for a replica that is new; otherwise as many old lines as the caller asked
   * for.
   */
  readonly open: (id: string, whole: boolean, signal: AbortSignal) => AsyncIterable<LogLine>;
  /** Calls the listener when there may be other replicas. Returns a function that unsubscribes. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** The lines of all replicas as they come, also of later replicas, until the signal aborts. */
export async function* followLogs({ ids, hasEnded, open, subscribe }: LogSources, signal: AbortSignal): AsyncGenerator<LogLine> {
  const stop = new AbortController();
  const followed = new Set<string>();
  let changes = 0;
  let queue: LogLine[] = [];
  let characters = 0;
  let wakeReader = () => {};
  let waiting: (() => void)[] = [];
  const read = async (id: string, whole: boolean) => {
    let silent = true;
    for await (const line of open(id, whole, stop.signal)) {
      silent = false;
      queue.push(line);
      characters += line.line.length;
      wakeReader();
      if (queue.length > linesAheadMax || characters > charactersAheadMax) await new Promise<void>((resolve) => waiting.push(resolve));
    }
    return silent;
  };
  const follow = async (id: string, whole: boolean) => {
    const before = changes;
    const silent = await read(id, whole).catch(() => false);
    // A stream that had lines is not opened again: they would come twice.
    if (!silent || hasEnded(id) || stop.signal.aborted) return;
    // It is not started yet: the next change may be its start, or a change during `read` was.
    followed.delete(id);
    if (changes !== before) join(true);
  };
  const join = (whole: boolean) => {
    for (const id of ids().filter((id) => !followed.has(id))) {
      followed.add(id);
      void follow(id, whole);
    }
  };
  const resume = () => {
    for (const go of waiting) go();
    waiting = [];
  };
  const unsubscribe = subscribe(() => {
    changes += 1;
    join(true);
  });
  const end = () => wakeReader();
  signal.addEventListener("abort", end);
  try {
    join(false);
    while (!signal.aborted) {
      const ready = queue;
      queue = [];
      characters = 0;
      resume();
      yield* ready;
      if (queue.length > 0 || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        wakeReader = resolve;
      });
    }
  } finally {
    signal.removeEventListener("abort", end);
    unsubscribe();
    stop.abort();
    resume();
  }
}
