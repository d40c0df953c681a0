import type { WebSocket } from 'uWebSockets.js';
import type { SendVerdict, Socket } from '../transport.ts';
import type { PublishBatch } from './publish-batch.ts';
import type { UwsReading } from './uws-reading.ts';

const sendVerdicts: readonly SendVerdict[] = ['buffered', 'sent', 'dropped'];

/** Counts drops that `send` has reported to its caller, see `UserData`. */
interface SendDrops {
  sendsDropped: number;
}

/**
 * The library throws on any use of a closed socket; this wrapper answers 'closed' instead. It flushes earlier published
 * messages first, so that the order is kept.
 */
export class UwsSocket<U> implements Socket {
  #native: WebSocket<U> | null;
  readonly #published: PublishBatch;
  readonly #reading: UwsReading;

  constructor(native: WebSocket<U>, published: PublishBatch, reading: UwsReading) {
    this.#native = native;
    this.#published = published;
    this.#reading = reading;
  }

  get bufferedBytes(): number {
    if (this.#native === null) return 0;
    // A caller that is about to close the socket must know of the messages published to it.
    this.#published.flushFor(this.#native);
    return this.#native.getBufferedAmount();
  }

  send(payload: Uint8Array, binary: boolean, compress: boolean): SendVerdict {
    if (this.#native === null) return 'closed';
    this.#published.flushFor(this.#native);
    const verdict = sendVerdicts[this.#native.send(payload, binary, compress)] ?? 'dropped';
    // The library's object is its own user data.
    if (verdict === 'dropped') (this.#native as unknown as SendDrops).sendsDropped += 1;
    return verdict;
  }

  subscribe(topic: string): void {
    this.#published.flushTopic(topic);
    this.#native?.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.#published.flushTopic(topic);
    this.#native?.unsubscribe(topic);
  }

  ping(): void {
    // With a full buffer the library would count the ping as a dropped message.
    if (this.#native?.getBufferedAmount() === 0) this.#native.ping();
  }

  end(code: number, reason: string): void {
    if (this.#native === null) return;
    this.#published.flushFor(this.#native);
    this.#reading.forget(this.#native);
    this.#native.end(code, reason);
  }

  terminate(): void {
    this.#native?.close();
  }

  pause(): void {
    if (this.#native !== null) this.#reading.pause(this.#native);
  }

  resume(): void {
    if (this.#native !== null) this.#reading.resume(this.#native);
  }

  detach(): void {
    if (this.#native !== null) this.#reading.forget(this.#native);
    this.#native = null;
  }
}
