/** One line that a replica printed. */
export interface LogLine {
  readonly replicaId: string;
  readonly stream: "stdout" | "stderr";
  readonly line: string;
  /** When the line was written, as the engine saw it. Undefined: not known. */
  readonly atMs?: number;
}
