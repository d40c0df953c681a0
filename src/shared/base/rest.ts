const firstMs = 1_000;
const longestMs = 30_000;

/**
 * How long to leave something alone that failed: one second, and twice as long each time it fails again right after, up
 * to 30 seconds. Times are `performance.now()`.
 */
export class Rest {
  #until = 0;
  #lastMs = 0;

  isOver(now: number): boolean {
    return now >= this.#until;
  }

  /** What fails during a rest is of the same misfortune and does not make it longer. */
  begin(now: number): void {
    if (!this.isOver(now)) return;
    this.#lastMs = Math.min(this.#lastMs === 0 ? firstMs : this.#lastMs * 2, longestMs);
    this.#until = now + this.#lastMs;
  }

  /** It works again. What succeeds during a rest was begun before, and says nothing. */
  succeeded(now: number): void {
    if (this.isOver(now)) this.#lastMs = 0;
  }

  /** Of the last rest; 0: none since it works again. */
  get lastMs(): number {
    return this.#lastMs;
  }
}
