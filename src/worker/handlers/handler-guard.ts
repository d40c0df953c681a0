import { isThenable } from '../../shared/base/thenable.ts';
import { errorStack, errorText } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { Vitals } from '../../shared/memory/vitals.ts';
import type { ShardConnection } from '../connection/shard-connection.ts';
import type { ShardLog } from './shard-log.ts';

/** Runs handlers so that nothing they throw, now or later, reaches the shard: it is counted and logged instead. */
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
  run(what: string, connection: ShardConnection, handler: () => void | PromiseLike<void>): Promise<void> | undefined {
    try {
      const result = handler();
      if (!isThenable(result)) return undefined;
      return Promise.resolve(result).catch((error: unknown) => this.report(what, connection, error));
    } catch (error) {
      this.report(what, connection, error);
      return undefined;
    }
  }

  report(what: string, connection: ShardConnection | null, error: unknown): void {
    this.#counters.add(counter.handlerErrors, 1);
    this.#vitals.countHandlerError(what);
    this.#log.write('error', `${what} handler failed: ${errorText(error)}`, {
      handler: what,
      connection: connection?.id,
      stack: errorStack(error),
    });
  }
}
