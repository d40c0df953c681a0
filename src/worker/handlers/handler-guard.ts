import { isThenable } from '../../shared/base/thenable.ts';
import { errorStack, errorText } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { FaultSource, HandlerSource, Vitals } from '../../shared/memory/vitals.ts';
import type { Connection } from './api.ts';
import type { ShardLog } from './shard-log.ts';

/** Runs handlers. What they throw, now or later, is counted and logged and never reaches the shard. */
export class HandlerGuard {
  readonly #counters: Counters;
  readonly #vitals: Vitals;
  readonly #log: ShardLog;

  constructor(counters: Counters, vitals: Vitals, log: ShardLog) {
    this.#counters = counters;
    this.#vitals = vitals;
    this.#log = log;
  }

  /** A promise that never rejects if the handler is asynchronous, else undefined. */
  run(
    source: HandlerSource,
    connection: Connection,
    handler: () => void | PromiseLike<void>,
  ): Promise<void> | undefined {
    try {
      const result = handler();
      if (!isThenable(result)) return undefined;
      return Promise.resolve(result).catch((error: unknown) => this.failed(source, connection, error));
    } catch (error) {
      this.failed(source, connection, error);
      return undefined;
    }
  }

  /** A handler has thrown or rejected. */
  failed(source: HandlerSource, connection: Connection | null, error: unknown): void {
    this.#write(source, `${source} handler failed`, connection, error);
  }

  /** A fault of the engine's own, in the part that `source` names. */
  fault(source: FaultSource, connection: Connection | null, error: unknown): void {
    this.#write(source, `internal error (${source})`, connection, error);
  }

  #write(source: HandlerSource | FaultSource, what: string, connection: Connection | null, error: unknown): void {
    this.#counters.add(counter.handlerErrors, 1);
    this.#vitals.countHandlerError(source);
    this.#log.write('error', `${what}: ${errorText(error)}`, {
      handler: source,
      connection: connection?.id,
      stack: errorStack(error),
    });
  }
}
