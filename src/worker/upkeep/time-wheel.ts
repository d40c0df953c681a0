/** What can be put into a wheel. */
export interface Timed {
  /** The tick at which it is due; -1: never. Belongs to the wheel. */
  dueAt: number;
}

const slotCount = 512;

/**
 * One timer for any number of items. A tick looks at what is due, and at what is due a whole number of turns later;
 * how many others wait costs it nothing.
 *
 * Time is counted in ticks, not read from a clock: a thread that was held up for a minute must not find that everybody
 * was silent for a minute, when what they said is still to be read.
 */
export class TimeWheel<T extends Timed> {
  readonly #tickMs: number;
  readonly #due: (item: T) => void;
  readonly #slots: (Set<T> | undefined)[] = new Array<Set<T> | undefined>(slotCount).fill(undefined);
  #timer: NodeJS.Timeout | null = null;
  #now = 0;

  /** `due` is given each item once, when it is out of the wheel. It must not throw. */
  constructor(tickMs: number, due: (item: T) => void) {
    this.#tickMs = tickMs;
    this.#due = due;
  }

  /** Ticks so far. */
  get now(): number {
    return this.#now;
  }

  /** How many ticks are at least this long. */
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

  /** Puts an item in, or to another place. `ticks` is at least 1: the tick that is under way is over for it. */
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

  /** What the timer does. */
  tick(): void {
    this.#now += 1;
    const slot = this.#slots[this.#now % slotCount];
    if (slot === undefined) return;
    // What `due` takes out of the slot or puts in is seen by this loop, and put in can only be what is due later.
    for (const item of slot) {
      if (item.dueAt !== this.#now) continue;
      this.cancel(item);
      this.#due(item);
    }
  }
}
