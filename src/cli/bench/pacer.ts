import type { Schedule } from './thread-messages.ts';
import { now, wholeMicros } from './time.ts';

/** Due messages are sent in batches of this size, so that sockets are served in between. */
const batch = 1_000;

/**
 * Reports when messages of an open loop are due, whatever happened to earlier ones. Timers are precise to about a
 * millisecond: messages due in between follow at once, each with its own time.
 */
export class Pacer {
  readonly #schedule: Schedule;
  readonly #intervalMs: number;
  readonly #firstMs: number;
  readonly #due: (dueMs: number) => void;
  #count = 0;
  #isAbandoned = false;
  /** Called when all messages due by the schedule's end were reported. */
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

  /**
   * Stops. Returns the number of messages in the measured time that were due, or would have been, and were not
   * reported.
   */
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
        // In steps, because the end may be moved forward.
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
