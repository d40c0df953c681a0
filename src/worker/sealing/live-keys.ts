import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { KeyRing } from '../../shared/config/key-ring.ts';
import type { StateBoard } from '../../shared/memory/engine-memory.ts';

/**
 * The engine's present keys. They have a port of their own, which is read when keys are needed. On the common port they
 * could be read after messages that main published later.
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

  /** Reads what has arrived, so that nothing piles up in a shard that needs no keys. */
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
