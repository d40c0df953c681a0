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
/** With more topics waiting, nobody is asked whether they are a member of one. */
const fewTopics = 8;

/**
 * Publishes of one turn of the loop share their writes, however many they are: what the library would write one by one
 * waits for the end of the turn, when no callback is running. The library writes it when it next looks, which is after
 * the immediates and the timers that are due, and before it waits for anything. The order is kept: whoever sends,
 * subscribes or closes by another way calls one of the `flush` methods before.
 */
export class PublishBatch {
  readonly #publishNow: PublishNow;
  readonly #waiting: Waiting[] = [];
  /** Of what waits; one more than `fewTopics` at most. */
  readonly #topics: string[] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;
  /** Given to the library since the last turn that ended here. */
  #given = 0;
  /** How many of a turn are given at once: none after one with many, for the library writes before the end of the turn. */
  #atOnce = libraryBatch;
  /** Publishes of a turn that is to end here. */
  #inTurn = 0;
  #endsTurn = false;

  constructor(publishNow: PublishNow) {
    this.#publishNow = publishNow;
  }

  /** `payload` is copied if need be. */
  publish(topic: string, payload: Uint8Array, binary: boolean, compress: boolean): void {
    const { length } = payload;
    if (length >= libraryBatchBytes || this.#used + length > maxWaitingBytes) this.flush();
    else if (this.#given >= this.#atOnce) {
      this.#wait(topic, payload, binary, compress);
      return;
    }
    this.#given += 1;
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
    this.#inTurn += 1;
    if (this.#topics.length <= fewTopics && !this.#topics.includes(topic)) this.#topics.push(topic);
    if (this.#endsTurn) return;
    this.#endsTurn = true;
    setImmediate(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#endsTurn = false;
    this.flush();
    this.#atOnce = this.#given + this.#inTurn > libraryBatch ? 0 : libraryBatch;
    this.#given = 0;
    this.#inTurn = 0;
  };

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(firstCapacity, 2 ** Math.ceil(Math.log2(needed))));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}
