/**
 * Receives the same events as `Events`, and lets none of them throw: whoever sends them, a socket
 * or a timer, has nothing that would catch it.
 */
type Shield<Events extends object> = new (events: Events, onThrow: (error: unknown) => void) => Events;

/** Makes the class whose methods are those named, each in a `try`. */
export function shieldOf<Events extends object>(names: readonly (keyof Events & string)[]): Shield<Events> {
  class Shielded {
    readonly events: Events;
    readonly onThrow: (error: unknown) => void;

    constructor(events: Events, onThrow: (error: unknown) => void) {
      this.events = events;
      this.onThrow = onThrow;
    }
  }
  for (const name of names) {
    const receive = function (this: Shielded, one?: unknown, two?: unknown): void {
      try {
        (this.events[name] as (one?: unknown, two?: unknown) => void)(one, two);
      } catch (error) {
        this.onThrow(error);
      }
    };
    Object.defineProperty(Shielded.prototype, name, { value: receive });
  }
  return Shielded as unknown as Shield<Events>;
}
