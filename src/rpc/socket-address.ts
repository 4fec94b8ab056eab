/** Where to listen or connect: a unix socket, or a host and port. */
export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** Reads `unix:/path`, `host:port` or `[host]:port`; throws a RangeError for anything else. */
export function splitAddress(address: string): SocketAddress {
  if (address.startsWith("unix:")) return { path: address.slice(address.startsWith("unix://") ? 7 : 5) };
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) throw new RangeError(`not an address: "${address}" (unix:/path or host:port)`);
  return { host, port };
}

/** The text `splitAddress` reads. */
export function joinAddress(address: SocketAddress): string {
  if ("path" in address) return `unix:${address.path}`;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}
