import type { Clock } from "../clock/clock.ts";

/**
 * The log of a replica: the methods of `Log` that a server needs, without its library, which takes
 * 30 ms to load.
 */
export interface ReplicaLog {
  error(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  info(facts: object, message: string): void;
  debug(facts: object, message: string): void;
}

/**
 * Writes warnings and errors as JSON lines, in the form of the controller's log. Lower levels are
 * dropped.
 */
export function createReplicaLog(write: (line: string) => void, clock: Clock): ReplicaLog {
  const line = (level: number) => (facts: object, message: string) => {
    const record = { level, time: clock.wallMs(), ...facts, msg: message };
    let text: string;
    try {
      text = JSON.stringify(record, plain);
    } catch {
      // A program may throw what has no JSON, such as an object that contains itself.
      text = JSON.stringify({ ...record, err: "an error that has no JSON" });
    }
    write(`${text}\n`);
  };
  const nothing = () => {};
  return { error: line(50), warn: line(40), info: nothing, debug: nothing };
}

/**
 * A replacer for JSON: the members of an Error are not enumerable, and a BigInt has no JSON form.
 */
function plain(_name: string, value: unknown): unknown {
  if (value instanceof Error) return { type: value.name, message: value.message, stack: value.stack, cause: value.cause };
  return typeof value === "bigint" ? String(value) : value;
}
