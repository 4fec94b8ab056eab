/** One line that a replica printed. */
export interface LogLine {
  readonly replicaId: string;
  readonly stream: "stdout" | "stderr";
  readonly line: string;
  /** When it was written, as far as the engine saw; undefined: not known. */
  readonly atMs?: number;
}
