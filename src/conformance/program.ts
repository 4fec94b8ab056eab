import type { ProcessEnd } from "../core/ending.ts";

/** How to run the program that is checked. */
export interface ProgramToCheck {
  /** The command line; `{listen}` in it stands for the address. Or a module, in JavaScript, TypeScript or Python. */
  readonly run: { readonly argv: readonly string[] } | { readonly module: string; readonly exportName: string };
  readonly workingDir: string;
  readonly deployment: string;
  readonly replicaId: string;
  readonly revision: number;
  /** JSON. */
  readonly initArgs: string;
  readonly maxOngoingRequests: number;
  readonly token: string;
  /** `host:port`; unset: a unix socket in a folder of its own. */
  readonly address?: string;
}

/** A process of the program, started as the engine starts replicas. */
export interface ProgramProcess {
  /** Where it was told to listen. */
  readonly address: string;
  /** Resolves when it has ended, with how. */
  readonly ended: Promise<ProcessEnd>;
  /** Sends SIGTERM. */
  terminate(): void;
  /** The last lines of its standard error. */
  lastErrors(lines: number): Promise<readonly string[]>;
  /** Ends it, whatever it does, and removes its folder. */
  remove(): Promise<void>;
}

/** What the check needs of the world that the command line itself has not. */
export interface Testbed {
  /** Fails with an Error that says what to change: no such program, no such folder. */
  start(program: ProgramToCheck): Promise<ProgramProcess>;
  /** Resolves after `ms`, or when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
