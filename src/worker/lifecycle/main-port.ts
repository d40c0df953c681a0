import type { MessagePort } from 'node:worker_threads';
import { doorbell, type FromShard } from '../../shared/bus/ipc.ts';

/** A shard's way to main. */
export class MainPort {
  readonly #port: MessagePort;
  #isMuted = false;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  post(message: FromShard): void {
    if (!this.#isMuted) this.#port.postMessage(message);
  }

  ring(): void {
    this.#port.postMessage(doorbell);
  }

  /** Nothing is told from here on; what the shard publishes as it ends still rings. */
  mute(): void {
    this.#isMuted = true;
  }

  close(): void {
    this.#port.close();
  }
}
