import type { MessagePort } from 'node:worker_threads';
import { doorbell } from '../../shared/bus/ipc.ts';

/** Ports to the other shards, which carry nothing but doorbells. */
export class PeerPorts {
  readonly #ports = new Map<number, MessagePort>();
  readonly #onDoorbell: () => void;

  /** `onDoorbell` is called for every doorbell that another shard rings. */
  constructor(onDoorbell: () => void) {
    this.#onDoorbell = onDoorbell;
  }

  add(thread: number, port: MessagePort): void {
    this.#ports.get(thread)?.close();
    this.#ports.set(thread, port);
    // Ring it once, because an earlier doorbell may be lost: its asleep word may have been cleared before it could be
    // rung, or the doorbell went to the closed port of the thread before it.
    port.postMessage(doorbell);
    port.on('message', this.#onDoorbell);
  }

  /** Whether the thread is there: what is written for it is read. */
  has(thread: number): boolean {
    return this.#ports.has(thread);
  }

  ring(thread: number): void {
    this.#ports.get(thread)?.postMessage(doorbell);
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
