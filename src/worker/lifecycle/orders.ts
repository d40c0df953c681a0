import { monotonicMs } from '../../shared/base/monotonic.ts';
import { doorbell, type ToShard } from '../../shared/bus/ipc.ts';
import type { TlsMaterial } from '../../shared/config/tls.ts';
import { closeCode, errorText } from '../../shared/errors/index.ts';
import { counter } from '../../shared/memory/counters.ts';
import type { ShardParts } from './wiring.ts';

export type DrainOrder = Extract<ToShard, { kind: 'drain' }>;

/** What main decides about the shard as a whole. */
export interface ShardEnding {
  /** `deadline` as `performance.now()`. */
  settle(deadline: number): Promise<void>;
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
    const { main, transport } = parts;
    switch (message.kind) {
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
          transport.adopt(descriptor);
        }
        break;
      case 'listen':
        transport.listen(message.host, message.port, message.apps).then(
          (port) => main.post({ kind: 'listening', port }),
          () => main.post({ kind: 'listen-failed' }),
        );
        break;
      case 'stop-listening':
        transport.stopListening();
        main.post({ kind: 'stopped-listening' });
        break;
      case 'name-answer':
        parts.names.settle(message.claim, message.granted);
        break;
      case 'name-replaced':
        parts.connections.get(message.connection)?.close(closeCode.nameReplaced, 'replaced');
        break;
      case 'drain':
        void this.#ending.drain(message);
        break;
      case 'offloaded':
        parts.offload.settle(message.answer);
        break;
      case 'take-keys':
        parts.keys.take();
        break;
      case 'reload-tls':
        main.post({ kind: 'tls-reloaded', id: message.id, problem: this.#reloadTls(message.tls) });
        break;
      case 'settle':
        void this.#ending.settle(performance.now() + message.deadline - monotonicMs());
        break;
      case 'forget-app':
        transport.forget(message.app);
        main.post({ kind: 'app-forgotten', thread: message.thread });
        break;
      case 'abandon':
        this.#ending.release();
        break;
      case 'meet-app':
        transport.meet(message.app);
        break;
      case 'ping':
        main.post({ kind: 'pong' });
        break;
      case 'metrics':
        parts.metrics.settle(message.request, message.text);
        break;
    }
  }

  /** Null: done. Else what is wrong; the former certificate is kept. */
  #reloadTls(tls: TlsMaterial): string | null {
    try {
      this.#parts.transport.renewTls(tls);
      return null;
    } catch (error) {
      return errorText(error);
    }
  }
}
