import type { EngineError } from '../errors/index.ts';

interface Waiting {
  readonly bytes: number;
  readonly start: () => void;
  readonly refuse: (error: EngineError) => void;
}

/**
 * Who may send data frames: one message at a time, in the order of the calls. A message that is fragmented, streamed or
 * still being compressed holds the lane; others wait (checklist X-23). Control frames do not ask.
 */
export class WriteLane {
  readonly #waiting: Waiting[] = [];
  #held = false;
  #waitingBytes = 0;

  get isFree(): boolean {
    return !this.#held && this.#waiting.length === 0;
  }

  /** Whether messages wait for their turn. */
  get isAwaited(): boolean {
    return this.#waiting.length > 0;
  }

  /** Bytes of the messages that wait. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    while (!this.#held) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#waitingBytes -= next.bytes;
      next.start();
    }
  }

  /** Calls `start` when it is its turn, at once if nobody is before it. */
  enter<T>(bytes: number, start: () => Promise<T>): Promise<T> {
    if (this.isFree) return start();
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, start: () => resolve(start()), refuse: reject });
    });
  }

  /** Refuses all that wait. */
  clear(error: EngineError): void {
    const refused = this.#waiting.splice(0);
    this.#waitingBytes = 0;
    for (const { refuse } of refused) refuse(error);
  }
}
