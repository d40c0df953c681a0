import type { MessagePort } from 'node:worker_threads';
import { doorbell } from '../shared/ipc.ts';

/** Ports to the other shards, which carry nothing but doorbells. */
export class PeerPorts {
  readonly #ports = new Map<number, MessagePort>();
  /** Threads that were to be rung before their port came. */
  readonly #unrung = new Set<number>();
  readonly #onDoorbell: () => void;

  /** `onDoorbell` is called for every doorbell that another shard rings. */
  constructor(onDoorbell: () => void) {
    this.#onDoorbell = onDoorbell;
  }

  add(thread: number, port: MessagePort): void {
    this.#ports.set(thread, port);
    // It counts on being woken: its asleep word was turned when it could not be rung yet.
    if (this.#unrung.delete(thread)) port.postMessage(doorbell);
    port.on('message', this.#onDoorbell);
  }

  ring(thread: number): void {
    const port = this.#ports.get(thread);
    if (port === undefined) this.#unrung.add(thread);
    else port.postMessage(doorbell);
  }

  remove(thread: number): void {
    this.#ports.get(thread)?.close();
    this.#ports.delete(thread);
  }

  close(): void {
    for (const port of this.#ports.values()) port.close();
    this.#ports.clear();
  }
}
