/** The position of a value in a queue. `Queue.remove` takes it. */
export interface Ticket<T> {
  readonly value: T;
  /** Lower turns are served first. */
  readonly turn: number;
}

interface Node<T> extends Ticket<T> {
  before: Node<T> | undefined;
  after: Node<T> | undefined;
  queued: boolean;
}

/**
 * First in, first out. A linked list, from which any member can be removed at constant cost. Its
 * user keeps bounds and deadlines.
 */
export class Queue<T> {
  #first: Node<T> | undefined;
  #last: Node<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The member whose turn is next. */
  get first(): Ticket<T> | undefined {
    return this.#first;
  }

  /**
   * Puts `value` behind all members with a lower or equal turn. New values come with growing turns,
   * and so to the end. A value that was taken out before and comes back has a smaller turn.
   */
  put(value: T, turn: number): Ticket<T> {
    let before = this.#last;
    if (before !== undefined && before.turn > turn) {
      before = undefined; // a value that comes back belongs near the front: search from there
      for (let next = this.#first; next !== undefined && next.turn <= turn; next = next.after) before = next;
    }
    const after = before === undefined ? this.#first : before.after;
    const node: Node<T> = { value, turn, before, after, queued: true };
    if (before === undefined) this.#first = node;
    else before.after = node;
    if (after === undefined) this.#last = node;
    else after.before = node;
    this.#size++;
    return node;
  }

  /** The members in the order of their turns. */
  *[Symbol.iterator](): Iterator<T> {
    for (let next = this.#first; next !== undefined; next = next.after) yield next.value;
  }

  /** Takes out the first member. */
  shift(): T | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.remove(first);
    return first.value;
  }

  /** Takes out a member, wherever it stands. False: it was out already. */
  remove(ticket: Ticket<T>): boolean {
    const node = ticket as Node<T>;
    if (!node.queued) return false;
    node.queued = false;
    if (node.before === undefined) this.#first = node.after;
    else node.before.after = node.after;
    if (node.after === undefined) this.#last = node.before;
    else node.after.before = node.before;
    this.#size--;
    return true;
  }
}
