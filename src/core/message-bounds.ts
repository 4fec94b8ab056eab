/**
 * The largest message of a request or its answer, in bytes. The controller has a bound
 * (`--max-message-bytes`), and a deployment may have a smaller one. The default is 64 MiB.
 */
export const messageBytes = { min: 64 * 1024, default: 64 * 1024 * 1024, max: 1024 * 1024 * 1024 } as const;

/** The bound that takes effect for a deployment: its own, but never more than the controller's. */
export function messageBytesMaxOf(spec: { readonly maxMessageBytes?: number }, controllersMax: number): number {
  return Math.min(spec.maxMessageBytes ?? controllersMax, controllersMax);
}
