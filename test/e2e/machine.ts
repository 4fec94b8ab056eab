// A machine of a user, for other-machine.ts: writes files and runs programs there by orders, and hands
// over a listening socket for each address that its programs call.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { dirname } from "node:path";

export type Order =
  | { readonly do: "listen"; readonly id: number }
  | { readonly do: "write"; readonly id: number; readonly files: Readonly<Record<string, string>> }
  | { readonly do: "remove"; readonly id: number; readonly path: string }
  | { readonly do: "run"; readonly id: number; readonly program: ProgramOrder };

export interface ProgramOrder {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Ctrl-C comes once it has printed this. */
  readonly until?: string;
}

const ended = new AbortController();

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case "listen":
      return handOver(order.id);
    case "write":
      for (const [path, text] of Object.entries(order.files)) {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, text);
      }
      return reply(order.id);
    case "remove":
      await rm(order.path, { recursive: true });
      return reply(order.id);
    case "run":
      return reply(order.id, await outcomeOf(order.program));
  }
}

function reply(id: number, answer?: unknown, server?: Server): void {
  process.send?.({ id, answer }, server);
}

/** Listens here; the process that started this machine accepts the connections. */
async function handOver(id: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
  process.send?.({ id, answer: server.address() }, server, {}, () => server.close());
}

function outcomeOf({ argv: [command = "", ...args], cwd, env, until }: ProgramOrder): Promise<unknown> {
  const child: ChildProcess = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  ended.signal.addEventListener("abort", () => child.kill("SIGKILL"));
  let [stdout, stderr] = ["", ""];
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk));
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk;
    if (until !== undefined && stdout.includes(until)) child.kill("SIGINT");
  });
  return new Promise((done) => {
    child.once("error", (error) => done({ code: null, stdout, stderr: error.message }));
    child.once("close", (code) => done({ code, stdout, stderr }));
  });
}

process.on("message", (order: Order) => {
  obey(order).catch((error: unknown) => process.send?.({ id: order.id, failed: String(error) }));
});
process.on("disconnect", () => {
  ended.abort();
  process.exit();
});
process.send?.({ id: 0 });
