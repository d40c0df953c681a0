import { cFunction, duplicateCloseOnExec } from '../../../shared/base/c-library.ts';

export interface AcceptGuardOptions {
  /** Stops accepting. Connections that wait to be accepted are cut. */
  pause(): void;
  /** Accepts again. Rejects if the port cannot be had at the moment. */
  resume(): Promise<void>;
  /** It accepts nothing because no descriptor is left (true), or accepts again (false). */
  starved(isStarved: boolean): void;
  /** How many more descriptors the process may open, up to `most`. */
  free(most: number): number;
}

const lookMs = 100;
/** So many must be free again: with one, the next client would end it. */
const roomToResume = 16;
/** And so long it stays closed: each pause cuts clients, and writes a line. */
const leastPauseMs = 1_000;

/** Counts free descriptors by taking them for a moment; null where descriptors cannot be duplicated. */
export function findFreeDescriptors(): AcceptGuardOptions['free'] | null {
  const command = duplicateCloseOnExec[process.platform];
  const fcntl = command === undefined ? null : cFunction('int fcntl(int, int, ...)');
  // Not Node's: in a worker thread it warns of descriptors that it has not opened.
  const close = cFunction('int close(int)');
  if (fcntl === null || close === null) return null;
  return (most) => {
    const taken: number[] = [];
    while (taken.length < most) {
      // Standard error: of the descriptors that are always open.
      const descriptor = Number(fcntl(2, command, 'int', 0));
      if (descriptor < 0) break;
      taken.push(descriptor);
    }
    for (const descriptor of taken) close(descriptor);
    return taken.length;
  };
}

/**
 * Stands in for the library's accepting when descriptors run out: it would try the same connection again and again, with
 * all of a core and without a word. So it looks from time to time, and stops listening until there is room: clients are
 * refused by the system meanwhile, which they understand, and those who are connected are served.
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

  /** Looks no more. */
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
      // Somebody else has the port. The next look tries again.
    }
    this.#isResuming = false;
  }
}
