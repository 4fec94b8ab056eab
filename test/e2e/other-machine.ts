// The machine of a user that shares no disk and no network with the controller's: namespaces of
// their own (mounts and network) on Linux; where these are refused, a folder of another user that
// the controller cannot read.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type Server } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { Drover, type Finished, mainPath, root } from "./drover.ts";
import type { Order } from "./machine.ts";

/**
 * Mounts an empty folder for temporary files, and shows the clone in it again where it was there.
 */
const enterScript = `set -e
ip link set lo up
mount --make-rprivate /
mount --bind "$0" /mnt
mount -t tmpfs -o mode=1777 none "$1"
mkdir -p "$0"
mount --bind /mnt "$0"
shift
exec "$@"`;

const isRoot = process.getuid?.() === 0;
const unshare = ["unshare", ...(isRoot ? [] : ["--user", "--map-root-user"]), "--net", "--mount", "sh", "-c", enterScript, root, tmpdir()];
/** A user without rights. */
const nobody = 65_534;
const asNobody = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];

/** What keeps the two machines apart, or why nothing can. */
export type Separation = { readonly kind: "namespaces" | "users" } | { readonly missing: string };

export function separation(): Separation {
  const refused = whyNot([...unshare, "true"]);
  if (refused === undefined) return { kind: "namespaces" };
  const alone = whyNot([...asNobody, process.execPath, "--version"]);
  return alone === undefined ? { kind: "users" } : { missing: `no namespaces (${refused}), and no other user (${alone})` };
}

/** The first words of a command that fails; undefined: it does not. */
function whyNot([command = "", ...args]: readonly string[]): string | undefined {
  try {
    execFileSync(command, args, { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return String(error).split("\n").slice(0, 2).join(" ");
  }
}

/** Why the controller that `startApart` starts cannot run a program; undefined: it can. */
export function cannotRun(kind: "namespaces" | "users", program: string): string | undefined {
  return kind === "namespaces" ? undefined : whyNot([...asNobody, program, "--version"]);
}

/** A controller that cannot read what the other machine has. */
export async function startApart(kind: "namespaces" | "users"): Promise<Drover> {
  if (kind === "namespaces") return Drover.start();
  const folder = mkdtempSync(join(tmpdir(), "drover-e2e-"));
  chownSync(folder, nobody, nobody);
  return Drover.start([], folder, ["env", `HOME=${folder}`, ...asNobody]);
}

export class OtherMachine {
  /** The folder of the user. It is on this machine alone. */
  readonly home: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  readonly #cables: Server[] = [];
  #orders = 0;

  private constructor(home: string, child: ChildProcess) {
    this.home = home;
    this.#child = child;
    child.on("message", (reply: Reply, server?: Server) => this.#waiting.get(reply.id)?.({ ...reply, server }));
  }

  static async start(kind: "namespaces" | "users"): Promise<OtherMachine> {
    // In its own namespaces this folder is not there: another one is made at its path.
    const home = mkdtempSync(join(tmpdir(), "drover-user-"));
    chmodSync(home, 0o700);
    const argv = [...(kind === "namespaces" ? unshare : []), process.execPath, join(import.meta.dirname, "machine.ts")];
    const child = spawn(argv[0] ?? "", argv.slice(1), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const machine = new OtherMachine(home, child);
    await new Promise<void>((ready, fail) => {
      machine.#waiting.set(0, () => ready());
      child.once("error", fail);
      child.once("exit", (code) => fail(new Error(`the other machine ended with ${code}`)));
    });
    return machine;
  }

  /** An address of this machine, behind which the controller's one is. */
  async cable(to: string): Promise<string> {
    const { answer, server } = await this.#order({ do: "listen" });
    const [host = "", port = ""] = to.split(":");
    if (server === undefined) throw new Error("the other machine handed over no socket");
    this.#cables.push(server);
    server.on("connection", (socket) => {
      const other = connect(Number(port), host);
      socket.pipe(other).pipe(socket);
      // An end that breaks takes the other with it.
      socket.on("error", () => other.destroy());
      other.on("error", () => socket.destroy());
    });
    return `127.0.0.1:${(answer as { readonly port: number }).port}`;
  }

  /** Writes files, by their paths in the user's folder. */
  async write(files: Readonly<Record<string, string>>): Promise<void> {
    await this.#order({
      do: "write",
      files: Object.fromEntries(Object.entries(files).map(([path, text]) => [join(this.home, path), text])),
    });
  }

  async remove(path: string): Promise<void> {
    await this.#order({ do: "remove", path: join(this.home, path) });
  }

  /**
   * The command line, in a folder of the user. With `until`, Ctrl-C comes once it has printed that.
   */
  async drover(
    {
      folder,
      env,
      until,
    }: { readonly folder: string; readonly env: Readonly<Record<string, string>>; readonly until?: string | undefined },
    ...args: readonly string[]
  ): Promise<Finished> {
    const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
    const program = {
      argv: [process.execPath, mainPath, ...args],
      cwd: join(this.home, folder),
      env: { HOME: this.home, NO_COLOR: "1", PATH: path, ...env },
      ...(until === undefined ? {} : { until }),
    };
    return (await this.#order({ do: "run", program })).answer as Finished;
  }

  /** Ends it, with all that it runs. */
  async close(): Promise<void> {
    for (const server of this.#cables) server.close();
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.disconnect();
    await ended;
    rmSync(this.home, { recursive: true, force: true });
  }

  async #order(order: Unnumbered<Order>): Promise<Reply> {
    const id = ++this.#orders;
    const reply = await new Promise<Reply>((done) => {
      this.#waiting.set(id, done);
      this.#child.send({ ...order, id });
    });
    this.#waiting.delete(id);
    if (reply.failed !== undefined) throw new Error(reply.failed);
    return reply;
  }
}

interface Reply {
  readonly id: number;
  readonly answer?: unknown;
  readonly failed?: string;
  readonly server?: Server;
}

type Unnumbered<T> = T extends unknown ? Omit<T, "id"> : never;
