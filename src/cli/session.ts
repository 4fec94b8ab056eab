import pc from "picocolors";
import { ControllerService } from "../../gen/drover/v1/controller_service_pb.ts";
import { InvokeService } from "../../gen/drover/v1/invoke_service_pb.ts";
import { type Address, parseAddress, printAddress } from "../config/address.ts";
import { messageBytes } from "../core/message-bounds.ts";
import { authorHeader } from "../core/metadata-keys.ts";
import { Channel } from "../rpc/channel.ts";
import type { CallOptions, Client } from "../rpc/service.ts";
import { usage } from "./cli-error.ts";
import type { Called } from "./failure.ts";
import type { CliIo, Output } from "./io.ts";

export type Colors = ReturnType<typeof pc.createColors>;

/** The longest that a call may take that should be answered at once. */
export const callMs = 30_000;
/** Any message that a server may send. */
const messageBytesMax = messageBytes.max;

const servers = {
  api: { flag: "--api", variable: "DROVER_API", standard: "127.0.0.1:9001" },
  gateway: { flag: "--gateway", variable: "DROVER_GATEWAY", standard: "127.0.0.1:9000" },
} as const;

/** One run of a command: its servers and its output. */
export class Session {
  readonly io: CliIo;
  /** For standard output. */
  readonly colors: Colors;
  /** For standard error. */
  readonly errorColors: Colors;
  readonly #flags: Readonly<Partial<Record<keyof typeof servers, string>>>;
  readonly #channels: Map<string, Channel>;
  readonly #deployment: string | undefined;
  /** What was called last, by this session or by one made of it. */
  readonly #calls: { last: Called | undefined };

  /** `deployment` is the one that the command is about; undefined: several, or none. */
  constructor(
    io: CliIo,
    flags: Readonly<Partial<Record<keyof typeof servers, string>>>,
    deployment?: string,
    channels = new Map<string, Channel>(),
    calls: { last: Called | undefined } = { last: undefined },
  ) {
    this.#calls = calls;
    this.#channels = channels;
    this.io = io;
    this.#deployment = deployment;
    this.colors = pc.createColors(wantsColors(io.stdout, io.env));
    this.errorColors = pc.createColors(wantsColors(io.stderr, io.env));
    this.#flags = flags;
  }

  /** What was called, for error messages; undefined: nothing was. */
  get called(): Called | undefined {
    return this.#calls.last;
  }

  /**
   * Options of calls to the controller that should be answered at once: they end with the command
   * or after {@link callMs}.
   */
  get brief(): CallOptions {
    return this.within(callMs);
  }

  /**
   * Options of calls to the controller that wait: they end with the command or after `deadlineMs`.
   * The call carries the author.
   */
  within(deadlineMs: number): CallOptions {
    return { signal: this.io.interrupted, deadlineMs, metadata: { [authorHeader]: this.io.author } };
  }

  /** This session with another signal or output. It has the same connections: only this one closes them. */
  with(io: Partial<Pick<CliIo, "interrupted" | "stdout" | "stderr">>): Session {
    return new Session({ ...this.io, ...io }, this.#flags, this.#deployment, this.#channels, this.#calls);
  }

  controller(): Client<typeof ControllerService> {
    return this.#channel("api").client(ControllerService);
  }

  gateway(): Client<typeof InvokeService> {
    return this.#channel("gateway").client(InvokeService);
  }

  /** Prints a line of the result. */
  print(text: string): void {
    this.io.stdout.write(`${text}\n`);
  }

  /** Prints a line that is not part of the result. */
  note(text: string): void {
    this.io.stderr.write(`${text}\n`);
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
  }

  #channel(server: keyof typeof servers): Channel {
    const { flag } = servers[server];
    const address = printAddress(this.#address(server));
    this.#calls.last = { address, flag, deployment: this.#deployment, api: this.#flags.api };
    const channel = this.#channels.get(server) ?? new Channel(address, { messageBytesMax });
    this.#channels.set(server, channel);
    return channel;
  }

  #address(server: keyof typeof servers): Address {
    const { flag, variable, standard } = servers[server];
    const [source, text] = this.#flags[server] !== undefined ? [flag, this.#flags[server]] : [variable, this.io.env[variable] || standard];
    const address = parseAddress(text);
    if (typeof address === "string") throw usage(`${source} "${text}": ${address}`);
    if (address.port === 0) throw usage(`${source} "${text}": no server has port 0: give the port that the server printed at its start`);
    return address;
  }
}

function wantsColors(output: Output, env: CliIo["env"]): boolean {
  return output.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}
