/** Sends one message to the members of a topic. */
export type PublishNow = (topic: string, payload: Uint8Array, binary: boolean, compress: boolean) => void;

/** Whether the subscriber is a member of a topic. */
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
 * The library collects messages published in one turn of its loop, up to 32 per subscriber, and writes them to a socket
 * at once. It writes to a subscriber with 32 messages immediately. This goes wrong in a callback: the library's only
 * send buffer then belongs to the callback's socket, and it writes the 32 messages one by one.
 */
const libraryBatch = 31;
/** The library sends messages of this size and above at once, past its batch. */
const libraryBatchBytes = 16_384;
const firstCapacity = 16_384;
/**
 * Bytes that may wait for the end of the turn. Further messages are given to the library at once, though that is
 * slower.
 */
const maxWaitingBytes = 1_048_576;
/** After this many publishes without a batch in this time, the following ones are batched. */
const few = 8;
const fewInMs = 2;
/** Extra turns to keep batching while publishes keep arriving. */
const moreTurns = 2;
/** With more waiting topics than this, membership is not checked: everything is flushed. */
const fewTopics = 8;

/**
 * Batches publishes that come close together, so that they share writes. A few publishes are given to the library at
 * once: it batches them itself. Many publishes, which the library would write one by one, wait for the end of the turn
 * of the loop, when no callback runs. While each turn brings more, up to as many as the library writes at once, the
 * batch waits two more turns: more publishers are heard before the long work of writing begins, and the loop does not
 * sleep meanwhile. The library writes when it next runs, after the immediates and the due timers. Order is kept: code
 * that sends, subscribes or closes in another way calls one of the `flush` methods first.
 */
export class PublishBatch {
  readonly #publishNow: PublishNow;
  readonly #clock: () => number;
  readonly #waiting: Waiting[] = [];
  /** The waiting topics; at most `fewTopics` + 1. */
  readonly #topics: string[] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;
  /** Number of publishes given to the library at once since the last batch. */
  #given = 0;
  /** Start of the period in which those are counted. */
  #fewSince = -Infinity;
  /** Whether publishes come so fast that all of them are batched. */
  #gathers = false;
  /** Number of publishes that waited since the last batch, and the end of its last turn. */
  #gathered = 0;
  #gatheredBefore = 0;
  #turns = 0;
  /** Whether the end of this turn is scheduled. */
  #endsTurn = false;

  /** `clock` gives milliseconds. */
  constructor(publishNow: PublishNow, clock: () => number = () => performance.now()) {
    this.#publishNow = publishNow;
    this.#clock = clock;
  }

  /** `payload` is copied if it must wait. */
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

  /** Gives all waiting messages to the library. */
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

  /**
   * Call it before anything else is sent to `subscriber`, or its state is read. Messages that wait only for others keep
   * waiting.
   */
  flushFor(subscriber: Subscriber): void {
    if (this.#waiting.length > 0 && this.#concerns(subscriber)) this.flush();
  }

  /** Call it before the members of `topic` change. */
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
