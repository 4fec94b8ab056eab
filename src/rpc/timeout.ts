const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
const digitsMax = 99_999_999;

/** Reads the header `grpc-timeout`: milliseconds; undefined: there is none; NaN: it is not one. */
export function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const unit = unitMs[text.slice(-1)];
  const digits = text.slice(0, -1);
  return unit !== undefined && /^\d{1,8}$/.test(digits) ? Number(digits) * unit : Number.NaN;
}

/** Writes it; never less than a millisecond, for some servers take 0 for no deadline. */
export function formatTimeout(ms: number): string {
  const whole = Math.max(1, Math.ceil(ms));
  if (whole <= digitsMax) return `${whole}m`;
  return whole / 1_000 <= digitsMax ? `${Math.ceil(whole / 1_000)}S` : `${Math.min(digitsMax, Math.ceil(whole / 3_600_000))}H`;
}
