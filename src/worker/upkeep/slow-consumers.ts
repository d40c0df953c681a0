import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { HandlerHost } from '../handlers/handler-host.ts';

export interface SlowConsumersOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly handlers: HandlerHost;
}

/** Closes connections that read too slowly, or tells the `slow` handler, as the option `slowConsumer` says. */
export class SlowConsumers {
  readonly #handlers: HandlerHost;
  readonly #counters: Counters;
  readonly #disconnects: boolean;
  readonly #recoveredBytes: number;

  constructor(options: SlowConsumersOptions) {
    this.#handlers = options.handlers;
    this.#counters = options.counters;
    this.#disconnects = options.config.slowConsumer === 'disconnect';
    this.#recoveredBytes = options.config.maxBackpressureBytes / 2;
  }

  /**
   * `messages` were not given to a connection. `batches` of them were the first of a batch whose rest was not counted.
   */
  handleDropped(connection: ShardConnection, messages: number, batches: number): void {
    this.#counters.add(counter.messagesDropped, messages);
    this.#counters.add(counter.batchesDropped, batches);
    if (!connection.isOpen) return;
    if (this.#disconnects) {
      this.#counters.add(counter.slowConsumersClosed, 1);
      connection.close(closeCode.slowConsumer, 'too slow');
      return;
    }
    if (connection.isSlow) return;
    connection.isSlow = true;
    this.#counters.add(counter.slowEpisodes, 1);
    this.#handlers.callSlow(connection, messages);
  }

  /** The client has read something. If it has enough room again, the next drop is reported again. */
  checkRecovered(connection: ShardConnection): void {
    if (connection.isSlow && connection.bufferedBytes < this.#recoveredBytes) connection.isSlow = false;
  }
}
