/** Where something stands in a queue; gives it up through `Queue.remove`. */
export interface Ticket<T> {
  readonly value: T;
  /** Its turn: lower ones are served first. */
  readonly turn: number;
}

interface Node<T> extends Ticket<T> {
  before: Node<T> | undefined;
  after: Node<T> | undefined;
  queued: boolean;
}

/** First in, first out, where any member may leave at any time at no cost: a linked list. Whoever puts something in watches bound and deadline. */
export class Queue<T> {
  #first: Node<T> | undefined;
  #last: Node<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The one whose turn is next. */
  get first(): Ticket<T> | undefined {
    return this.#first;
  }

  /** Puts `value` behind all with a lower or equal turn: at the end, for turns that grow; a smaller one is somebody who was served before and came back. */
  put(value: T, turn: number): Ticket<T> {
    let before = this.#last;
    if (before !== undefined && before.turn > turn) {
      before = undefined; // those who come back are near the front: look from there
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

  /** Takes the first one out. */
  shift(): T | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.remove(first);
    return first.value;
  }

  /** Takes one out, wherever it stands; false: it was out already. */
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
