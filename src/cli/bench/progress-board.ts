const fields = ['sent', 'settled', 'received', 'open', 'openPublishers', 'errors'] as const;

export type ProgressField = (typeof fields)[number];

/**
 * How far each client thread has come, in shared memory: every cell is written by one thread and read by main, which
 * wants to see about how it stands. Doubles, because 32 bits of deliveries are a matter of an hour.
 */
export class ProgressBoard {
  readonly #cells: Float64Array;
  readonly #from: number;

  /** `index`: the thread that writes. Main reads only. */
  constructor(memory: SharedArrayBuffer, index: number) {
    this.#cells = new Float64Array(memory);
    this.#from = index * fields.length;
  }

  static memory(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(threads * fields.length * Float64Array.BYTES_PER_ELEMENT);
  }

  add(field: ProgressField, count: number): void {
    const at = this.#from + fields.indexOf(field);
    this.#cells[at] = (this.#cells[at] as number) + count;
  }

  /** Of all threads. */
  sum(field: ProgressField): number {
    let sum = 0;
    for (let at = fields.indexOf(field); at < this.#cells.length; at += fields.length) sum += this.#cells[at] as number;
    return sum;
  }
}
