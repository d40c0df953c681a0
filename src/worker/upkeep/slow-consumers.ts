import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { Handlers } from '../handlers/api.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';

export interface SlowConsumersOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly guard: HandlerGuard;
  handlers(): Handlers;
}

/**
 * Handles connections that read too slowly: closes them with 3008, or drops messages for them, as `slowConsumer` says.
 */
export class SlowConsumers {
  readonly #options: SlowConsumersOptions;
  readonly #counters: Counters;
  readonly #disconnects: boolean;
  readonly #recoveredBytes: number;

  constructor(options: SlowConsumersOptions) {
    this.#options = options;
    this.#counters = options.counters;
    this.#disconnects = options.config.slowConsumer === 'disconnect';
    this.#recoveredBytes = options.config.maxBackpressureBytes / 2;
  }

  /**
   * This many messages were not given to a connection. `batches` of them were the first of a dropped batch whose other
   * messages are not counted.
   */
  dropped(connection: ShardConnection, messages: number, batches: number): void {
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
    const handlers = this.#options.handlers();
    const { slow } = handlers;
    if (slow === undefined) return;
    this.#options.guard.run('slow', connection, () => slow.call(handlers, connection, messages));
  }

  /** A connection has read something. Once it has enough room again, later drops are reported again. */
  drained(connection: ShardConnection): void {
    if (connection.isSlow && connection.bufferedBytes < this.#recoveredBytes) connection.isSlow = false;
  }
}
