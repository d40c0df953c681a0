import type { EventEmitter } from 'node:events';
import { isThenable } from '../../shared/base/thenable.ts';
import { EngineError } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { Vitals } from '../../shared/memory/vitals.ts';
import type { EngineLogger } from '../options/engine-options.ts';
import type { EngineEvents } from './engine-events.ts';

export interface ListenersOptions {
  readonly emitter: EventEmitter<EngineEvents>;
  /** Main's. */
  readonly counters: Counters;
  readonly vitals: Vitals;
  readonly logger: EngineLogger;
}

/** Calls the listeners of an engine. What one of them throws, now or later, stops neither the others nor the engine. */
export class Listeners {
  readonly #options: ListenersOptions;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  callListeners<K extends keyof EngineEvents>(event: K, ...args: EngineEvents[K]): void {
    const { emitter } = this.#options;
    for (const listener of emitter.rawListeners(event)) {
      try {
        const result: unknown = Reflect.apply(listener, emitter, args);
        if (isThenable(result)) result.then(undefined, (error: unknown) => this.#failed(event, error));
      } catch (error) {
        this.#failed(event, error);
      }
    }
  }

  /** Logs a fault that no call could report, and tells the listeners of `error`, if there are any. */
  fault(code: 'ERR_RING_CORRUPT' | 'ERR_SHARD_FAILED', text: string, cause: unknown): void {
    const error = new EngineError(code, text, { cause });
    this.#options.logger.error({ err: error }, text);
    if (this.#options.emitter.listenerCount('error') > 0) this.callListeners('error', error);
  }

  #failed(event: string, error: unknown): void {
    const { counters, vitals, logger } = this.#options;
    counters.add(counter.handlerErrors, 1);
    vitals.countHandlerError('listener');
    logger.error({ event, err: error }, `a listener of "${event}" failed`);
  }
}
