import { replayed } from './failures.ts';

/** The counters of the frames that go out: each is given once. */
export class CounterSource {
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  take(): number {
    // The next number would be this one again: beyond 2^53 a double has no room for the difference.
    if (this.#next > Number.MAX_SAFE_INTEGER) throw replayed('no counter is left for this connection; connect again');
    return this.#next++;
  }
}

/** Refuses replayed frames: the counter of each frame that comes in must be greater than the one before. */
export class ReplayCheck {
  #last = -1;
  #missing = 0;

  /** How many counters were passed over: frames that the peer dropped, or that were lost on the way. */
  get missing(): number {
    return this.#missing;
  }

  check(counter: number): void {
    if (counter <= this.#last) {
      throw replayed(`counter ${counter} was used before: the last one was ${this.#last}`);
    }
  }

  /** Remembers the counter of an authenticated frame. */
  accept(counter: number): void {
    // Again, for the frame may have waited for its check while its copy was accepted.
    this.check(counter);
    this.#missing += counter - this.#last - 1;
    this.#last = counter;
  }
}
