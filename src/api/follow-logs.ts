/** One line that a replica printed. */
export interface LogLine {
  readonly replicaId: string;
  readonly stream: "stdout" | "stderr";
  readonly line: string;
}

/** Lines read ahead of a slow reader: it slows the reading of files, and no queue grows. */
const linesAheadMax = 1_000;

export interface LogSources {
  /** The replicas there are now. */
  readonly ids: () => readonly string[];
  readonly open: (id: string, signal: AbortSignal) => AsyncIterable<LogLine>;
  /** Calls the listener when there may be other replicas; the answer unsubscribes. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** The lines of all replicas as they come, those of replicas to come too, until the signal aborts. */
export async function* followLogs({ ids, open, subscribe }: LogSources, signal: AbortSignal): AsyncGenerator<LogLine> {
  const stop = new AbortController();
  const followed = new Set<string>();
  let queue: LogLine[] = [];
  let wakeReader = () => {};
  let waiting: (() => void)[] = [];
  const follow = async (id: string) => {
    for await (const line of open(id, stop.signal)) {
      queue.push(line);
      wakeReader();
      if (queue.length > linesAheadMax) await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  const join = () => {
    for (const id of ids().filter((id) => !followed.has(id))) {
      followed.add(id);
      follow(id).catch(() => {});
    }
  };
  const resume = () => {
    for (const go of waiting) go();
    waiting = [];
  };
  const unsubscribe = subscribe(join);
  const end = () => wakeReader();
  signal.addEventListener("abort", end);
  try {
    join();
    while (!signal.aborted) {
      const ready = queue;
      queue = [];
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
