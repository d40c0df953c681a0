import type { Duplex } from 'node:stream';
import { EngineError } from '../shared/errors/index.ts';

/** Bytes that the stream has not written yet, as exactly as it tells. Bytes in the handle count twice. */
function queuedBytes(stream: Duplex): number {
  // A socket's handle knows how much of one long write is still to go; the stream itself knows whole writes only.
  const handle: unknown = Reflect.get(stream, '_handle');
  const inHandle: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'writeQueueSize') : 0;
  return stream.writableLength + (typeof inHandle === 'number' ? inHandle : 0);
}

/**
 * Waits until a full stream has room, and reports a stream that has stopped writing. So a peer that never reads takes
 * memory for a bounded time only.
 */
export class WriteRoom {
  readonly #stream: Duplex;
  readonly #stallMs: number;
  /** Bytes that were given to the stream so far. */
  readonly #handedOver: () => number;
  readonly #onStall: (error: EngineError) => void;
  readonly #onDrain: () => void;
  #wait: Promise<void> | null = null;
  #resolve: () => void = () => {};
  #reject: (error: EngineError) => void = () => {};
  #timer: NodeJS.Timeout | null = null;
  #pendingCheck: NodeJS.Immediate | null = null;
  /** Bytes that the system has taken so far. */
  #taken = 0;
  #ended: EngineError | null = null;

  /** `stallMs`: milliseconds without progress that are allowed; 0: no limit. */
  constructor(
    stream: Duplex,
    stallMs: number,
    handedOver: () => number,
    onDrain: () => void,
    onStall: (error: EngineError) => void,
  ) {
    this.#stream = stream;
    this.#handedOver = handedOver;
    this.#stallMs = stallMs;
    this.#onDrain = onDrain;
    this.#onStall = onStall;
    stream.on('drain', this.#drained);
  }

  /** Resolves when the stream has room again. Call it only while the stream is full. */
  wait(): Promise<void> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (this.#wait === null) {
      this.#wait = new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
      this.#wait.catch(() => undefined);
    }
    return this.#wait;
  }

  /** Begins to check for progress. */
  watch(): void {
    if (this.#stallMs === 0 || this.#timer !== null || this.#ended !== null) return;
    this.#taken = this.#handedOver() - queuedBytes(this.#stream);
    this.#timer = setTimeout(this.#checkSoon, this.#stallMs);
  }

  /**
   * After this thread was blocked, waiting events are handled first: the thread's own pause must not count against the
   * peer.
   */
  readonly #checkSoon = (): void => {
    this.#pendingCheck = setImmediate(this.#check);
  };

  readonly #check = (): void => {
    const taken = this.#handedOver() - queuedBytes(this.#stream);
    if (taken > this.#taken) {
      this.#taken = taken;
      this.#timer?.refresh();
      return;
    }
    this.#timer = null;
    const text = `the peer has taken nothing for ${this.#stallMs} ms, ${this.#stream.writableLength} bytes wait`;
    this.#onStall(new EngineError('ERR_FRAME_WRITE_STALLED', text));
  };

  /** Ends the checks. The next wait has the full time again. */
  #stopWatching(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#pendingCheck !== null) clearImmediate(this.#pendingCheck);
    this.#timer = null;
    this.#pendingCheck = null;
  }

  readonly #drained = (): void => {
    this.#stopWatching();
    this.#wait = null;
    this.#resolve();
    this.#onDrain();
  };

  /** Rejects the promise that waits for room, and all later ones. */
  end(error: EngineError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#stopWatching();
    this.#stream.off('drain', this.#drained);
    this.#reject(error);
  }
}
