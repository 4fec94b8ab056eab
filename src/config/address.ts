import { BlockList, isIP } from "node:net";

/** A TCP address to listen at or to call. */
export interface Address {
  /** A name or an IP address, IPv6 without brackets. */
  readonly host: string;
  /** 0 to 65,535; 0: any free port. */
  readonly port: number;
}

const portMax = 65_535;

/**
 * Reads `host:port`, `[::1]:port` or `:port` (loopback). Returns a string that says what is wrong.
 */
export function parseAddress(text: string): Address | string {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s/@]*)):(\d{1,5})$/.exec(text);
  if (!match || (match[1] !== undefined && isIP(match[1]) !== 6)) return 'must be "host:port", for example 127.0.0.1:9001 or [::1]:9001';
  const port = Number(match[3]);
  if (port > portMax) return `port ${port} is out of range: must be 0 to ${portMax}`;
  return { host: match[1] ?? (match[2] || "127.0.0.1"), port };
}

/** The address in the form that {@link parseAddress} reads. */
export function printAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * How a program of this machine calls a server that listens at the address: a server on all
 * addresses is called on loopback.
 */
export function fromThisMachine(listening: string): string {
  return listening.replace(/^0\.0\.0\.0(?=:\d+$)/, "127.0.0.1").replace(/^\[::\](?=:\d+$)/, "[::1]");
}

/**
 * Whether only this machine can reach the address. Names other than `localhost` are not resolved,
 * and so are not trusted.
 */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host.toLowerCase() === "localhost" : loopback.check(host, family === 6 ? "ipv6" : "ipv4");
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");
