import type { EngineError } from '../errors/index.ts';

/** A message that enters part by part. */
export interface PartedMessage {
  /** How many parts of it wait. */
  waiting: number;
}

interface Waiting {
  readonly bytes: number;
  /** What it is a part of: it follows the other parts, whoever came meanwhile. */
  readonly message: PartedMessage | null;
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
  /** Whose parts go on while the lane is held. */
  #holder: PartedMessage | null = null;
  #waitingBytes = 0;
  #isRunning = false;

  get isFree(): boolean {
    return !this.#held && this.#waiting.length === 0;
  }

  /** Bytes of the messages that wait. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The message that would be disturbed by whoever enters next: the last that waits, or else who holds the lane. */
  get last(): PartedMessage | null {
    const last = this.#waiting.at(-1);
    return last === undefined ? this.#holder : last.message;
  }

  isHeldBy(message: PartedMessage): boolean {
    return this.#holder === message;
  }

  hold(message: PartedMessage | null = null): void {
    this.#held = true;
    this.#holder = message;
  }

  release(): void {
    this.#held = false;
    this.#holder = null;
    // Whoever ends its message within the loop below lets that loop go on.
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#waiting[0]; next !== undefined && this.#lets(next.message); next = this.#waiting[0]) {
        this.#waiting.shift();
        this.#leaves(next);
        next.start();
      }
    } finally {
      this.#isRunning = false;
    }
  }

  #leaves({ bytes, message }: Waiting): void {
    this.#waitingBytes -= bytes;
    if (message !== null) message.waiting -= 1;
  }

  #lets(message: PartedMessage | null): boolean {
    return !this.#held || (message !== null && message === this.#holder);
  }

  /** Calls `start` when it is its turn, at once if nobody is before it. Parts of one `message` stay together. */
  enter<T>(bytes: number, start: () => Promise<T>, message: PartedMessage | null = null): Promise<T> {
    const isAmong = message !== null && message.waiting > 0;
    if (this.isFree || (message !== null && message === this.#holder && !isAmong)) return start();
    this.#waitingBytes += bytes;
    if (message !== null) message.waiting += 1;
    return new Promise((resolve, reject) => {
      const entry: Waiting = { bytes, message, start: () => resolve(start()), refuse: reject };
      const before = isAmong ? this.#waiting.findLastIndex((other) => other.message === message) : -1;
      if (before < 0) this.#waiting.push(entry);
      else this.#waiting.splice(before + 1, 0, entry);
    });
  }

  /** Refuses all that wait, or those from the first part of `message` on. */
  clear(error: EngineError, message: PartedMessage | null = null): void {
    const from = message === null ? 0 : this.#waiting.findIndex((other) => other.message === message);
    if (from < 0) return;
    for (const entry of this.#waiting.splice(from)) {
      this.#leaves(entry);
      entry.refuse(error);
    }
  }
}
