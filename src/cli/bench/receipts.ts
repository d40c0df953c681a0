/** `late`: the message came after a later one. */
export type Receipt = 'new' | 'late' | 'duplicate';

/** Distance up to which a missing message is remembered; beyond it a late message counts as a duplicate. */
const windowSize = 32;

/** The messages that each receiving connection of a thread got from each publisher. */
export class Receipts {
  readonly #publishers: number;
  /** Highest number so far, by receiver and publisher; -1: none. */
  readonly #last: Int32Array;
  /** Bit k: the message k + 1 before the last one has come. */
  readonly #window: Int32Array;

  constructor(receivers: number, publishers: number) {
    this.#publishers = publishers;
    this.#last = new Int32Array(receivers * publishers).fill(-1);
    this.#window = new Int32Array(receivers * publishers);
  }

  /** The highest number that `receiver` got from `publisher`; -1: none. */
  last(receiver: number, publisher: number): number {
    return this.#last[receiver * this.#publishers + publisher] ?? -1;
  }

  add(receiver: number, publisher: number, sequence: number): Receipt {
    const at = receiver * this.#publishers + publisher;
    const last = this.#last[at] as number;
    const window = this.#window[at] as number;
    if (sequence > last) {
      const step = sequence - last;
      const older = step < windowSize ? window << step : 0;
      this.#window[at] = last >= 0 && step <= windowSize ? older | (1 << (step - 1)) : older;
      this.#last[at] = sequence;
      return 'new';
    }
    const back = last - sequence;
    const bit = back >= 1 && back <= windowSize ? 1 << (back - 1) : 0;
    if (bit === 0 || (window & bit) !== 0) return 'duplicate';
    this.#window[at] = window | bit;
    return 'late';
  }
}
