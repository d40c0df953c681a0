import { type DrainOrder, doorbell, type ToShard } from '../../shared/bus/ipc.ts';
import { closeCode } from '../../shared/errors/index.ts';
import { counter } from '../../shared/memory/counters.ts';
import type { ShardParts } from './wiring.ts';

/** What main decides about the shard as a whole. */
export interface ShardEnding {
  drain(order: DrainOrder): Promise<void>;
  release(): void;
}

/** Does what main tells this shard to do. */
export class MainOrders {
  readonly #parts: ShardParts;
  readonly #ending: ShardEnding;

  constructor(parts: ShardParts, ending: ShardEnding) {
    this.#parts = parts;
    this.#ending = ending;
  }

  follow(message: ToShard): void {
    const parts = this.#parts;
    if (message === doorbell) {
      parts.bus.onDoorbell();
      return;
    }
    switch (message.kind) {
      case 'question':
        parts.main.asks.onQuestion(message);
        break;
      case 'answer':
        parts.main.asks.onAnswer(message);
        break;
      case 'peer':
        parts.peers.add(message.thread, message.port);
        parts.bus.attend(message.thread);
        break;
      case 'peer-gone':
        parts.peers.remove(message.thread);
        // Its ring may hold more, and it may have been the one that this thread's spill queue waited for.
        parts.bus.onDoorbell();
        break;
      case 'adopt':
        for (const descriptor of message.descriptors) {
          // Counted first: from here on it is the transport's to close, whatever happens.
          parts.counters.add(counter.descriptorsAdopted, 1);
          parts.transport.adopt(descriptor);
        }
        break;
      case 'name-replaced':
        parts.connections.get(message.connection)?.close(closeCode.nameReplaced, 'replaced');
        break;
      case 'offloaded':
        parts.offload.settle(message.answer);
        break;
      case 'take-keys':
        parts.keys.take();
        break;
      case 'drain':
        void this.#ending.drain(message);
        break;
      case 'abandon':
        this.#ending.release();
        break;
      case 'meet-app':
        parts.transport.meet(message.app);
        break;
    }
  }
}
