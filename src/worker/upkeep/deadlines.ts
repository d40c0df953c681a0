import type { EngineConfig } from '../../shared/config/config.ts';
import { closeCode } from '../../shared/errors/index.ts';
import { type Counters, counter } from '../../shared/memory/counters.ts';
import type { Awaited, ShardConnection } from '../connection/shard-connection.ts';
import type { HandlerGuard } from '../handlers/handler-guard.ts';
import type { ShardLog } from '../handlers/shard-log.ts';
import { TimeWheel } from './time-wheel.ts';

export interface DeadlinesOptions {
  readonly config: EngineConfig;
  readonly counters: Counters;
  readonly guard: HandlerGuard;
  readonly log: ShardLog;
}

export const lateReason = 'a handler took too long';

/**
 * Deadlines of handlers. If a handler does not answer within `limits.handlerMs`, its connection is closed with 1011 and
 * the connection's waiting messages are freed. One timer serves all deadlines. It starts with the first deadline.
 */
export class Deadlines {
  readonly #options: DeadlinesOptions;
  readonly #wheel: TimeWheel<Awaited>;
  readonly #ticks: number;

  constructor(options: DeadlinesOptions) {
    const { handlerMs } = options.config.limits;
    this.#options = options;
    this.#wheel = new TimeWheel(Math.min(1_000, Math.max(10, Math.floor(handlerMs / 8))), (late) => this.#giveUp(late));
    // The present tick may be nearly over: one more, so that no handler is cut early.
    this.#ticks = this.#wheel.ticksOf(handlerMs) + 1;
  }

  awaitHandler(handler: Awaited['handler'], connection: ShardConnection, giveUp: () => void): Awaited {
    const awaited: Awaited = { dueAt: -1, handler, connection, giveUp };
    this.#wheel.start();
    this.#wheel.schedule(awaited, this.#ticks);
    return awaited;
  }

  /** The answer came, or is not needed any more. False: the deadline has passed before. */
  stopAwaiting(awaited: Awaited): boolean {
    if (awaited.giveUp === null) return false;
    awaited.giveUp = null;
    this.#wheel.cancel(awaited);
    return true;
  }

  stop(): void {
    this.#wheel.stop();
  }

  #giveUp(awaited: Awaited): void {
    const { handler, connection, giveUp } = awaited;
    const { counters, guard, log } = this.#options;
    awaited.giveUp = null;
    try {
      counters.add(counter.handlersTimedOut, 1);
      log.write('warn', 'a handler did not answer in time', { handler, connection: connection.id });
      connection.close(closeCode.internalError, lateReason);
      giveUp?.();
    } catch (error) {
      guard.fault('watch', connection, error);
    }
  }
}
