const firstMs = 1_000;
const longestMs = 30_000;

/**
 * How long to wait before something that failed is tried again: one second, and twice as long after each further
 * failure, up to 30 seconds. Times are `performance.now()`.
 */
export class RetryPause {
  #until = 0;
  #lastMs = 0;

  isOver(now: number): boolean {
    return now >= this.#until;
  }

  /** Begins a pause. A failure during a pause has the same cause and does not make the pause longer. */
  begin(now: number): void {
    if (!this.isOver(now)) return;
    this.#lastMs = Math.min(this.#lastMs === 0 ? firstMs : this.#lastMs * 2, longestMs);
    this.#until = now + this.#lastMs;
  }

  /** Ends the growth of pauses. A success during a pause does not count: its work began before the failure. */
  succeeded(now: number): void {
    if (this.isOver(now)) this.#lastMs = 0;
  }

  /** Length of the last pause; 0: nothing has failed since the last success. */
  get lastMs(): number {
    return this.#lastMs;
  }
}
