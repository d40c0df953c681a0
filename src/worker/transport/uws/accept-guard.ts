import { cFunction } from '../../../shared/base/c-library.ts';
import { findDuplicate } from '../../../shared/base/descriptors.ts';

export interface AcceptGuardOptions {
  /** Stops accepting. Connections that wait to be accepted are cut. */
  pause(): void;
  /** Accepts again. Rejects if it cannot listen on the port now. */
  resume(): Promise<void>;
  /** True: it accepts nothing, because no descriptor is free; false: it accepts again. */
  starved(isStarved: boolean): void;
  /** How many more descriptors the process may open, up to `most`. */
  free(most: number): number;
}

const lookMs = 100;
/** Number of free descriptors needed to accept again: with one, the next client would use it up. */
const roomToResume = 16;
/** Shortest time without accepting, because each pause cuts clients and writes a log line. */
const leastPauseMs = 1_000;

/** Counts free descriptors by taking them for a moment; null where descriptors cannot be duplicated. */
export function findFreeDescriptors(): AcceptGuardOptions['free'] | null {
  const duplicate = findDuplicate();
  // The C library's close, because Node's warns in a worker thread about descriptors that it has not opened.
  const close = cFunction('int close(int)');
  if (duplicate === null || close === null) return null;
  return (most) => {
    const taken: number[] = [];
    while (taken.length < most) {
      // Standard error, one of the descriptors that are always open.
      const descriptor = duplicate(2);
      if (descriptor < 0) break;
      taken.push(descriptor);
    }
    for (const descriptor of taken) close(descriptor);
    return taken.length;
  };
}

/**
 * Replaces the library's own behaviour when descriptors run out: it would retry the same connection without end, at 100
 * % of a core, and without an error. So this checks from time to time and stops listening until descriptors are free.
 * Meanwhile the system refuses clients, which they understand, and the connected clients are served.
 */
export class AcceptGuard {
  readonly #options: AcceptGuardOptions;
  readonly #timer: NodeJS.Timeout;
  #isStarved = false;
  #pausedAt = 0;
  #isResuming = false;
  #isStopped = false;

  constructor(options: AcceptGuardOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), lookMs).unref();
  }

  /** Stops checking. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  #look(): void {
    const { free, pause, starved } = this.#options;
    if (this.#isResuming) return;
    if (this.#isStarved) {
      if (performance.now() < this.#pausedAt + leastPauseMs) return;
      if (free(roomToResume) === roomToResume) void this.#resume();
    } else if (free(1) === 0) {
      this.#isStarved = true;
      this.#pausedAt = performance.now();
      pause();
      starved(true);
    }
  }

  async #resume(): Promise<void> {
    this.#isResuming = true;
    try {
      await this.#options.resume();
      this.#isStarved = false;
      if (!this.#isStopped) this.#options.starved(false);
    } catch {
      // Another process has the port. The next check tries again.
    }
    this.#isResuming = false;
  }
}
