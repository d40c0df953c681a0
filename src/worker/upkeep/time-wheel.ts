/** An item of a wheel. */
export interface Timed {
  /** The tick at which it is due; -1: never. Only the wheel writes it. */
  dueAt: number;
}

const slotCount = 512;

/**
 * One timer for any number of items. A tick visits the items in its slot: those that are due, and those due a whole
 * number of turns later. Other items cost nothing.
 *
 * Time is counted in ticks, not read from a clock. After a thread was held up for a minute, its connections must not
 * count as silent for a minute, because their frames still wait to be read.
 */
export class TimeWheel<T extends Timed> {
  readonly #tickMs: number;
  readonly #due: (item: T) => void;
  readonly #slots: (Set<T> | undefined)[] = new Array<Set<T> | undefined>(slotCount).fill(undefined);
  #timer: NodeJS.Timeout | null = null;
  #now = 0;

  /** `due` is called once for each item, after the item was taken out of the wheel. It must not throw. */
  constructor(tickMs: number, due: (item: T) => void) {
    this.#tickMs = tickMs;
    this.#due = due;
  }

  /** Number of ticks so far. */
  get now(): number {
    return this.#now;
  }

  /** Number of ticks that last at least `ms`. */
  ticksOf(ms: number): number {
    return Math.max(1, Math.ceil(ms / this.#tickMs));
  }

  start(): void {
    this.#timer ??= setInterval(() => this.tick(), this.#tickMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Puts an item in, or moves it. `ticks` is at least 1, because the present tick is over for it. */
  schedule(item: T, ticks: number): void {
    this.cancel(item);
    item.dueAt = this.#now + Math.max(1, ticks);
    const place = item.dueAt % slotCount;
    const slot = this.#slots[place] ?? new Set();
    this.#slots[place] = slot.add(item);
  }

  cancel(item: T): void {
    if (item.dueAt < 0) return;
    this.#slots[item.dueAt % slotCount]?.delete(item);
    item.dueAt = -1;
  }

  /** Runs one tick. The timer calls it. */
  tick(): void {
    this.#now += 1;
    const slot = this.#slots[this.#now % slotCount];
    if (slot === undefined) return;
    // This loop sees what `due` takes out of the slot or puts in. Items put in are always due later.
    for (const item of slot) {
      if (item.dueAt !== this.#now) continue;
      this.cancel(item);
      this.#due(item);
    }
  }
}
