import { mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { prepareSocketFolder, socketPath } from "./socket-path.ts";

/** Attempts to get the lock while other processes compete for it. */
const attemptsMax = 10;

/**
 * Makes this process the only controller on the data folder until it ends or releases the lock.
 * Fails, with the remedy, if another controller runs there.
 *
 * The lock is a numbered socket in the folder that this process listens on. The system closes it
 * with the process, however that ends. Socket files of dead processes stay. The next process takes
 * the number after them, which only one process can do, and removes them only when it has the lock.
 * Invariant: the process that has the lock listened first, and found no other socket there that
 * answers after that.
 */
export async function lockFolder(dataDir: string): Promise<{ release(): Promise<void> }> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const folder = await realpath(dataDir);
  const pathOf = (number: number) => socketPath(folder, join(folder, `controller.${number}.sock`));
  const pidFile = join(folder, "controller.pid");
  await prepareSocketFolder(pathOf(1));
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const before = await socketNumbers(dirname(pathOf(1)));
    if (await someAnswer(before.map(pathOf))) throw await taken(dataDir, pidFile);
    const mine = Math.max(0, ...before) + 1;
    const server = await listen(pathOf(mine));
    if (!server) continue; // another process was faster and may have the lock now
    const others = (await socketNumbers(dirname(pathOf(1)))).filter((number) => number !== mine).map(pathOf);
    if (await someAnswer(others)) {
      await close(server);
      continue;
    }
    for (const path of others) await rm(path, { force: true });
    await writeFile(pidFile, `${process.pid}\n`);
    return { release: () => rm(pidFile, { force: true }).then(() => close(server)) };
  }
  throw await taken(dataDir, pidFile);
}

async function socketNumbers(folder: string): Promise<readonly number[]> {
  return (await readdir(folder)).flatMap((name) => /^controller\.(\d+)\.sock$/.exec(name)?.[1] ?? []).map(Number);
}

/** Listens at `path`; undefined: a socket exists already. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((done, fail) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? done(undefined) : fail(error)));
    server.listen(path, () => {
      server.on("error", () => {}); // a failed accept does no harm: the caller has connected and knows that we run
      done(server.unref());
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((done) => server.close(() => done())); // removes the socket, too
}

async function someAnswer(paths: readonly string[]): Promise<boolean> {
  return (await Promise.all(paths.map(answers))).includes(true);
}

/** Whether a process listens at `path`. */
function answers(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      done(true);
    });
    socket.once("error", ({ code }: NodeJS.ErrnoException) => done(code !== "ECONNREFUSED" && code !== "ENOENT"));
  });
}

async function taken(dataDir: string, pidFile: string): Promise<Error> {
  const pid = (await readFile(pidFile, "utf8").catch(() => "")).trim();
  const who = pid ? `another controller (pid ${pid})` : "another controller";
  return new Error(`${who} runs on the data folder ${dataDir}: stop it, or give this one another folder with --data`);
}
