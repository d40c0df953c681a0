import type { WebSocket } from 'uWebSockets.js';
import type { SendVerdict, Socket } from './transport.ts';

const sendVerdicts: readonly SendVerdict[] = ['buffered', 'sent', 'dropped'];

/** The library throws on any use of a closed socket: this wrapper answers 'closed' instead. */
export class UwsSocket<U> implements Socket {
  #native: WebSocket<U> | null;

  constructor(native: WebSocket<U>) {
    this.#native = native;
  }

  get bufferedBytes(): number {
    return this.#native === null ? 0 : this.#native.getBufferedAmount();
  }

  send(payload: Uint8Array, binary: boolean, compress: boolean): SendVerdict {
    if (this.#native === null) return 'closed';
    return sendVerdicts[this.#native.send(payload, binary, compress)] ?? 'dropped';
  }

  subscribe(topic: string): void {
    this.#native?.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    this.#native?.unsubscribe(topic);
  }

  ping(): void {
    // With a full buffer the library would count it as a message dropped.
    if (this.#native?.getBufferedAmount() === 0) this.#native.ping();
  }

  end(code: number, reason: string): void {
    this.#native?.end(code, reason);
  }

  terminate(): void {
    this.#native?.close();
  }

  detach(): void {
    this.#native = null;
  }
}
