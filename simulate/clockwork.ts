/** The only time there is: things happen in order, and nothing waits. All times µs, monotonic. */
export class Clockwork {
  readonly #heap: Entry[] = [];
  #order = 0;
  #now: number;

  constructor(now: number) {
    this.#now = now;
  }

  get now(): number {
    return this.#now;
  }

  /** Calls at `time`, never before now; equal times in the order they were asked for. The result cancels. */
  at(time: number, call: () => void): () => void {
    const entry: Entry = { time: Math.max(time, this.#now), order: this.#order++, call };
    this.#push(entry);
    return () => {
      entry.call = null;
    };
  }

  /** Runs what is due up to `end`, then it is `end`. `failed` gets what a call throws. */
  run(end: number, failed: (error: unknown) => void): void {
    for (let next = this.#heap[0]; next !== undefined && next.time <= end; next = this.#heap[0]) {
      this.#pop();
      const { call } = next;
      if (call === null) continue;
      this.#now = next.time;
      try {
        call();
      } catch (error) {
        failed(error);
      }
    }
    this.#now = Math.max(this.#now, end);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !before(entry, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      let child = heap[below];
      const right = heap[below + 1];
      if (child !== undefined && right !== undefined && before(right, child)) {
        child = right;
        below++;
      }
      if (child === undefined || !before(child, last)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
  }
}

interface Entry {
  readonly time: number;
  readonly order: number;
  call: (() => void) | null;
}

function before(left: Entry, right: Entry): boolean {
  return left.time < right.time || (left.time === right.time && left.order < right.order);
}
