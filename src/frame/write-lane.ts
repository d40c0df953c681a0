import type { EngineError } from '../shared/errors/index.ts';

/** A message that enters part by part. */
export interface PartedMessage {
  /** Its last part that waits. */
  lastWaiting: Waiting | null;
}

/** A message, or a part of one, that waits for its turn. */
interface Waiting {
  readonly bytes: number;
  /** The message that it is a part of. All parts of one message stay together. */
  readonly message: PartedMessage | null;
  readonly start: () => void;
  readonly refuse: (error: EngineError) => void;
  next: Waiting | null;
}

/**
 * Who may send data frames: one message at a time, in the order of the calls. A message that is fragmented, streamed or
 * still being compressed holds the lane; others wait. Control frames do not ask.
 */
export class WriteLane {
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  #held = false;
  /** The message whose further parts may pass while the lane is held. */
  #holder: PartedMessage | null = null;
  #waitingBytes = 0;
  #waitingCount = 0;
  #isRunning = false;

  get isFree(): boolean {
    return !this.#held && this.#first === null;
  }

  /** Bytes of the messages that wait. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** How many wait. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Identifies the last entry that waits; null: none waits. */
  get lastWaiting(): object | null {
    return this.#last;
  }

  /**
   * The message that the next entry would follow: that of the last entry that waits, or else the one that holds the
   * lane.
   */
  get last(): PartedMessage | null {
    return this.#last === null ? this.#holder : this.#last.message;
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
    // A message that ends inside the loop below lets that loop continue.
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#first; next !== null && this.#mayStart(next.message); next = this.#first) {
        this.#first = next.next;
        if (next.next === null) this.#last = null;
        this.#uncount(next);
        next.start();
      }
    } finally {
      this.#isRunning = false;
    }
  }

  #uncount(entry: Waiting): void {
    this.#waitingBytes -= entry.bytes;
    this.#waitingCount -= 1;
    if (entry.message?.lastWaiting === entry) entry.message.lastWaiting = null;
  }

  #mayStart(message: PartedMessage | null): boolean {
    return !this.#held || (message !== null && message === this.#holder);
  }

  /** Calls `start` when it is its turn, at once if nobody is before it. Parts of one `message` stay together. */
  enter<T>(bytes: number, start: () => Promise<T>, message: PartedMessage | null = null): Promise<T> {
    const isNext = message !== null && message === this.#holder && message.lastWaiting === null;
    if (this.isFree || isNext) return start();
    return new Promise((resolve, reject) => {
      this.#insert({ bytes, message, start: () => resolve(start()), refuse: reject, next: null });
    });
  }

  #insert(entry: Waiting): void {
    const { message } = entry;
    const before = message?.lastWaiting ?? this.#last;
    if (before === null) {
      this.#first = entry;
    } else {
      entry.next = before.next;
      before.next = entry;
    }
    if (before === this.#last) this.#last = entry;
    if (message !== null) message.lastWaiting = entry;
    this.#waitingBytes += entry.bytes;
    this.#waitingCount += 1;
  }

  /** Refuses all that wait, or those from the first part of `message` on. */
  clear(error: EngineError, message: PartedMessage | null = null): void {
    let kept: Waiting | null = null;
    let entry = this.#first;
    while (message !== null && entry !== null && entry.message !== message) {
      kept = entry;
      entry = entry.next;
    }
    if (entry === null) return;
    if (kept === null) this.#first = null;
    else kept.next = null;
    this.#last = kept;
    for (; entry !== null; entry = entry.next) {
      this.#uncount(entry);
      entry.refuse(error);
    }
  }
}
