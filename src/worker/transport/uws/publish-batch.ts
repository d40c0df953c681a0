/** Gives one message to the members of a topic. */
export type PublishNow = (topic: string, payload: Uint8Array, binary: boolean, compress: boolean) => void;

/** Whether it is a member of a topic. */
export interface Subscriber {
  isSubscribed(topic: string): boolean;
}

interface Waiting {
  readonly topic: string;
  readonly end: number;
  readonly binary: boolean;
  readonly compress: boolean;
}

/**
 * The library collects what is published in one turn of its loop, up to 32 messages per subscriber, and writes them to
 * a socket at once. A subscriber that has got 32 is written to at once. That is where it goes wrong: in a callback, the
 * library's one send buffer belongs to the socket that the callback is about, and then it writes the 32 one by one.
 */
const libraryBatch = 31;
/** Of this size and above the library sends at once, past its batch. */
const libraryBatchBytes = 16_384;
const firstCapacity = 16_384;
/** What may wait for the end of the turn. More is given to the library at once, if more slowly. */
const maxWaitingBytes = 1_048_576;
/** So many publishes at once within so much time, and the next ones wait for each other. */
const few = 8;
const fewInMs = 2;
/** How many turns more those that wait are waited with, while each turn brings more. */
const moreTurns = 2;
/** With more topics waiting, nobody is asked whether they are a member of one. */
const fewTopics = 8;

/**
 * Publishes that come close to each other share their writes. Where they are few, the library sees to that, and they are
 * given to it at once. Where they are many, what the library would write one by one waits for the end of the turn of the
 * loop, when no callback is running. While each turn brings more, up to as many as the library writes at once, two more
 * turns are waited for: more publishers are heard before the long work of writing begins, and the loop does not sleep
 * meanwhile. The library writes when it next looks, which is after the immediates and the timers that are due. The order
 * is kept: whoever sends, subscribes or closes by another way calls one of the `flush` methods before.
 */
export class PublishBatch {
  readonly #publishNow: PublishNow;
  readonly #clock: () => number;
  readonly #waiting: Waiting[] = [];
  /** Of what waits; one more than `fewTopics` at most. */
  readonly #topics: string[] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;
  /** Given to the library at once since the last batch. */
  #given = 0;
  /** When the last few of those began. */
  #fewSince = -Infinity;
  /** Whether publishes come so fast that all of them wait. */
  #gathers = false;
  /** How many waited since the last batch; and when its last turn ended. */
  #gathered = 0;
  #gatheredBefore = 0;
  #turns = 0;
  /** Whether the end of this turn is awaited. */
  #endsTurn = false;

  /** `clock` gives milliseconds. */
  constructor(publishNow: PublishNow, clock: () => number = () => performance.now()) {
    this.#publishNow = publishNow;
    this.#clock = clock;
  }

  /** `payload` is copied if need be. */
  publish(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void {
    const { length } = payload;
    if (length >= libraryBatchBytes || this.#used + length > maxWaitingBytes) this.flush();
    else if (this.#gathers || this.#given >= libraryBatch) {
      this.#wait(topic, payload, binary, compress);
      return;
    }
    this.#given += 1;
    if (this.#given % few === 0) this.#lookAtRate();
    this.#publishNow(topic, payload, binary, compress);
  }

  /** Gives everything that waits to the library. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    let start = 0;
    for (const { topic, end, binary, compress } of this.#waiting) {
      this.#publishNow(topic, this.#bytes.subarray(start, end), binary, compress);
      start = end;
    }
    this.#waiting.length = 0;
    this.#topics.length = 0;
    this.#used = 0;
  }

  /** Before anything else is sent to `subscriber`, or asked about it. What waits for others only goes on waiting. */
  flushFor(subscriber: Subscriber): void {
    if (this.#waiting.length > 0 && this.#concerns(subscriber)) this.flush();
  }

  /** Before somebody becomes a member of `topic`, or ceases to be one. */
  flushTopic(topic: string): void {
    if (this.#waiting.length > 0 && (this.#topics.length > fewTopics || this.#topics.includes(topic))) this.flush();
  }

  #concerns(subscriber: Subscriber): boolean {
    if (this.#topics.length > fewTopics) return true;
    for (const topic of this.#topics) if (subscriber.isSubscribed(topic)) return true;
    return false;
  }

  #wait(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void {
    const start = this.#used;
    const end = start + payload.length;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(payload, start);
    this.#used = end;
    this.#waiting.push({ topic, end, binary, compress });
    this.#gathered += 1;
    if (this.#topics.length <= fewTopics && !this.#topics.includes(topic)) this.#topics.push(topic);
    if (this.#endsTurn) return;
    this.#endsTurn = true;
    setImmediate(this.#endTurn);
  }

  #lookAtRate(): void {
    const now = this.#clock();
    this.#gathers = now - this.#fewSince < fewInMs;
    this.#fewSince = now;
  }

  readonly #endTurn = (): void => {
    const isGrowing = this.#gathered > this.#gatheredBefore;
    if (this.#gathers && isGrowing && this.#gathered <= libraryBatch && this.#turns < moreTurns) {
      this.#turns += 1;
      this.#gatheredBefore = this.#gathered;
      setImmediate(this.#endTurn);
      return;
    }
    this.flush();
    this.#endsTurn = false;
    this.#gathers = this.#gathered > 1;
    this.#given = 0;
    this.#gathered = 0;
    this.#gatheredBefore = 0;
    this.#turns = 0;
  };

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(firstCapacity, 2 ** Math.ceil(Math.log2(needed))));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}
