import type { Schedule } from './thread-messages.ts';
import { now, wholeMicros } from './time.ts';

/** Messages that are due are sent in batches of this size; sockets get a turn in between. */
const batch = 1_000;

/**
 * Tells when messages of an open loop are due, whatever has become of those before. Timers are precise to about a
 * millisecond: what is due meanwhile follows in one go, each with its own time.
 */
export class Pacer {
  readonly #schedule: Schedule;
  readonly #intervalMs: number;
  readonly #firstMs: number;
  readonly #due: (dueMs: number) => void;
  #count = 0;
  #isAbandoned = false;
  /** All that was due by the schedule's end was told. */
  isOver = false;

  /** One of `threads` that share `ratePerSecond`, each shifted by its index. */
  constructor(
    schedule: Schedule,
    { ratePerSecond, threads }: { readonly ratePerSecond: number; readonly threads: number },
    index: number,
    due: (dueMs: number) => void,
  ) {
    this.#schedule = schedule;
    this.#intervalMs = (1_000 * threads) / ratePerSecond;
    this.#firstMs = schedule.beginMs + (1_000 * index) / ratePerSecond;
    this.#due = due;
  }

  /** Runs until the schedule's end. */
  start(): void {
    this.#tick();
  }

  /** Ends it where it is. Returns how many messages in the measured time were due, or would have been, and were not told. */
  abandon(): number {
    this.#isAbandoned = true;
    if (this.isOver) return 0;
    this.isOver = true;
    const dueBefore = (timeMs: number): number => Math.max(0, Math.ceil((timeMs - this.#firstMs) / this.#intervalMs));
    const { measureFromMs, untilMs } = this.#schedule;
    return Math.max(0, dueBefore(untilMs) - Math.max(this.#count, dueBefore(measureFromMs)));
  }

  readonly #tick = (): void => {
    if (this.#isAbandoned) return;
    const at = now();
    for (let sent = 0; ; sent++) {
      const dueMs = wholeMicros(this.#firstMs + this.#count * this.#intervalMs);
      if (dueMs >= this.#schedule.untilMs) {
        this.isOver = true;
        return;
      }
      if (dueMs > at) {
        // In steps, because the end may come closer.
        setTimeout(this.#tick, Math.min(100, Math.max(1, dueMs - at)));
        return;
      }
      if (sent === batch) {
        setImmediate(this.#tick);
        return;
      }
      this.#count += 1;
      this.#due(dueMs);
    }
  };
}
