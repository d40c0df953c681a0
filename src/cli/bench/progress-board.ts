const fields = ['sent', 'settled', 'received', 'open', 'openPublishers', 'errors', 'warmingUp'] as const;

export type ProgressField = (typeof fields)[number];

/** The first cell: the time from which messages count. Written by main. */
const headCells = 1;

/**
 * The progress of each client thread, in shared memory. One thread writes a cell and main reads it, to show the
 * progress approximately. The cells are doubles, because deliveries would exceed 32 bits within an hour.
 */
export class ProgressBoard {
  readonly #cells: Float64Array;
  readonly #from: number;

  /** `index`: the thread that writes. Main reads only. */
  constructor(memory: SharedArrayBuffer, index: number) {
    this.#cells = new Float64Array(memory);
    this.#from = headCells + index * fields.length;
  }

  static memory(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer((headCells + threads * fields.length) * Float64Array.BYTES_PER_ELEMENT);
  }

  /**
   * Main writes it before it tells any thread to start. So a thread that gets a message of the run sees it, even if it
   * has not read its own order yet.
   */
  set measureFromMs(timeMs: number) {
    this.#cells[0] = timeMs;
  }

  /** Whether a message of this time counts. */
  isCounted(timeMs: number): boolean {
    const from = this.#cells[0] as number;
    return from > 0 && timeMs >= from;
  }

  add(field: ProgressField, count: number): void {
    const at = this.#from + fields.indexOf(field);
    this.#cells[at] = (this.#cells[at] as number) + count;
  }

  /** Of all threads. */
  sum(field: ProgressField): number {
    let sum = 0;
    for (let at = headCells + fields.indexOf(field); at < this.#cells.length; at += fields.length)
      sum += this.#cells[at] as number;
    return sum;
  }
}
