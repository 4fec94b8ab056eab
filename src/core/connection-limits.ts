/** How many connections each port of a controller may have at the same time. */
export interface ConnectionShares {
  readonly gateway: number;
  readonly api: number;
  readonly http: number;
}

/** The largest shares, however many files the process may open. */
export const connectionsMax: ConnectionShares = { gateway: 20_000, api: 4_000, http: 256 };
/** The smallest shares, however few. */
const connectionsMin: ConnectionShares = { gateway: 16, api: 8, http: 4 };

/**
 * Divides half of the files that a process may have open among its ports. The other half is for
 * replicas, Redis, logs and files. Each port has a share of its own, so that a crowd at one port
 * leaves the others alone.
 */
export function connectionShares(openFilesMax: number): ConnectionShares {
  const all = Math.floor(openFilesMax / 2);
  const within = (port: keyof ConnectionShares, share: number) =>
    Math.min(connectionsMax[port], Math.max(connectionsMin[port], Math.floor(share)));
  const api = within("api", all / 8);
  const http = within("http", all / 16);
  return { gateway: within("gateway", all - api - http), api, http };
}
