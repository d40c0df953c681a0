import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { KeyRing } from '../../shared/config/key-ring.ts';
import type { StateBoard } from '../../shared/memory/engine-memory.ts';

/**
 * The engine's keys as they are now. They come by a port of their own and are taken from it when they are needed: a
 * message among others would be read some time after what main published behind it.
 */
export class LiveKeys {
  readonly #port: MessagePort;
  readonly #board: StateBoard;
  #ring: KeyRing;
  #rotations = 0;

  constructor(ring: KeyRing, port: MessagePort, board: StateBoard) {
    this.#ring = ring;
    this.#port = port;
    this.#board = board;
  }

  get ring(): KeyRing {
    if (this.#board.rotations !== this.#rotations) this.take();
    return this.#ring;
  }

  /** Takes what has come, so that nothing piles up where keys are never needed. */
  take(): void {
    for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port)) {
      this.#ring = next.message as KeyRing;
      this.#rotations += 1;
    }
  }

  close(): void {
    this.#port.close();
  }
}
