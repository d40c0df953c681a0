/**
 * The unanswered messages of one connection: the time of each message by its number. Numbers are given in order;
 * answers may come in any order. There is room for `limit` messages and the gaps between them.
 */
export class Outstanding {
  readonly #limit: number;
  /** By number, wrapped; 0: answered. */
  #times: Float64Array = new Float64Array(8);
  #oldest = 0;
  #next = 0;
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether one more may be in flight. */
  get hasRoom(): boolean {
    return this.#count < this.#limit && this.#next - this.#oldest < 4 * this.#limit;
  }

  /** Records a message that is sent now; returns its number. `timeMs` is not 0. */
  add(timeMs: number): number {
    if (this.#next - this.#oldest === this.#times.length) this.#grow();
    const number = this.#next;
    this.#times[number & (this.#times.length - 1)] = timeMs;
    this.#next += 1;
    this.#count += 1;
    return number % 0x1_0000_0000;
  }

  #grow(): void {
    const larger = new Float64Array(this.#times.length * 2);
    for (let number = this.#oldest; number < this.#next; number++) {
      larger[number & (larger.length - 1)] = this.#times[number & (this.#times.length - 1)] as number;
    }
    this.#times = larger;
  }

  /** Returns the time of the message with this number, which is answered now; 0: there is none. */
  answer(number: number): number {
    // Numbers on the wire have 32 bits; these are unbounded.
    const full = this.#oldest + ((number - this.#oldest) >>> 0);
    return full < this.#next ? this.#take(full) : 0;
  }

  /** Returns the time of the oldest message, which is answered now; 0: there is none. */
  answerOldest(): number {
    this.#skipAnswered();
    return this.#oldest < this.#next ? this.#take(this.#oldest) : 0;
  }

  #take(number: number): number {
    const at = number & (this.#times.length - 1);
    const time = this.#times[at] as number;
    if (time === 0) return 0;
    this.#times[at] = 0;
    this.#count -= 1;
    this.#skipAnswered();
    return time;
  }

  #skipAnswered(): void {
    const mask = this.#times.length - 1;
    while (this.#oldest < this.#next && this.#times[this.#oldest & mask] === 0) this.#oldest += 1;
  }

  /** Gives up messages sent before `timeMs`, oldest first; returns their times. */
  giveUp(timeMs: number): number[] {
    const given: number[] = [];
    for (;;) {
      this.#skipAnswered();
      const time = this.#oldest < this.#next ? (this.#times[this.#oldest & (this.#times.length - 1)] as number) : 0;
      if (time === 0 || time >= timeMs) return given;
      given.push(this.#take(this.#oldest));
    }
  }
}
