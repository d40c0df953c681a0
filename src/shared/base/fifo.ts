/** Once this many places at the front are empty and they are half of the array, they are freed. */
const compactFrom = 256;

/**
 * A first-in, first-out queue with amortised constant time at any length. `Array.shift` moves every element each time.
 */
export class Fifo<T extends object> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The next element, without removing it. */
  first(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head >= compactFrom && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  /** All elements, the next one first. */
  toArray(): T[] {
    return this.#items.slice(this.#head) as T[];
  }
}
