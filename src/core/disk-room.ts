const reservedBytesMax = 16 * 1024 * 1024;
const reservedShare = 1 / 50;

/**
 * What Drover keeps of a disk for itself, bytes: 16 MiB, but at most 2 % of the disk. The local
 * engine holds it as a file, which it gives up on a full disk. What replicas print is dropped while
 * less than this is free, so that it does not take the rest.
 */
export function reservedBytes(diskBytes: number): number {
  return Math.min(reservedBytesMax, Math.floor(diskBytes * reservedShare));
}
