import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../src/clock/clock.ts";
import { realClock } from "../../src/clock/real.ts";
import { Channel } from "../../src/rpc/channel.ts";
import { type Interceptor, RpcServer } from "../../src/rpc/server.ts";
import type { Implementation } from "../../src/rpc/service.ts";

export const transports = ["unix socket", "tcp"] as const;
export type Transport = (typeof transports)[number];

/** What a server wrote to its log. */
export interface Logged {
  readonly err: unknown;
  readonly method: string;
  readonly requestId: string;
}

/** A server with a channel to it. */
export interface Wire extends AsyncDisposable {
  readonly server: RpcServer;
  readonly channel: Channel;
  readonly address: string;
  readonly logged: readonly Logged[];
}

export interface WireOptions {
  readonly transport?: Transport;
  readonly interceptors?: readonly Interceptor[];
  readonly messageBytesMax?: number;
  readonly clock?: Clock;
}

/** A folder for sockets, removed at the end. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "wire-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Serves `implementations` at a place of its own. */
export async function serve(implementations: readonly Implementation[], options: WireOptions = {}): Promise<Wire> {
  const { transport = "unix socket", clock = realClock, ...rest } = options;
  const logged: Logged[] = [];
  const log = { error: (entry: Logged) => void logged.push(entry) } as unknown as ConstructorParameters<typeof RpcServer>[0]["log"];
  const folder = await temporaryFolder();
  const server = new RpcServer({ implementations, log, clock, ...rest });
  const address = await server.listen(transport === "tcp" ? "127.0.0.1:0" : `unix:${folder.path}/server.sock`);
  const channel = new Channel(address);
  const close = async () => {
    channel.close();
    await server.close(0);
    await folder[Symbol.asyncDispose]();
  };
  return { server, channel, address, logged, [Symbol.asyncDispose]: close };
}

/** A clock whose timers run when the test fires them. */
export function manualClock(): Clock & { runTimers(): void } {
  const timers = new Set<() => void>();
  return {
    ...realClock,
    after: (_, run) => {
      timers.add(run);
      return () => timers.delete(run);
    },
    runTimers() {
      const due = [...timers];
      timers.clear();
      for (const run of due) run();
    },
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export async function* each<T>(...items: readonly T[]): AsyncGenerator<T, void> {
  yield* items;
}

/** What a promise is rejected with; fails if it is not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was expected to fail");
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
